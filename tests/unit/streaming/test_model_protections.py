"""The model must notice when a protection is off: each has a written story that shows its anomaly, without any luck.

The same story on the whole store shows nothing, so that it is the protection that was missed and not the story.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streaming.events import Position
from streaming.states import Status
from tests.unit.streaming.model import Store, Writer
from tests.unit.streaming.test_model import Generation


class Story:
    """The machine's rules in a written order, what always holds after each of them, and its end."""

    def __init__(self, store: type[Store]) -> None:
        machine_class: type[Generation] = type("Told", (Generation,), {"store_class": store})
        self.machine = machine_class()

    def do(self, rule: Callable[..., object], *args: object, **kwargs: object) -> None:
        rule(*args, **kwargs)
        self.machine.what_was_shown_stays_unless_its_loss_was_announced()
        self.machine.readers_of_one_log_see_prefixes_of_one_text()
        self.machine.a_row_moves_only_along_the_table_and_ends_once()
        self.machine.whoever_was_told_of_the_end_has_its_text()
        self.machine.nobody_without_the_right_is_connected()

    def begin(self) -> Writer:
        """Asked, claimed, and one word of it shown to a reader."""
        machine = self.machine
        self.do(machine.submit, "a")
        self.do(machine.claim)
        self.do(machine.connect, 0)
        writer = self.writer()
        self.do(machine.let_write, writer)
        self.deliver()
        assert machine.readers[0].view.text
        return writer

    def writer(self) -> Writer:
        holder = self.machine.store.holder
        assert holder is not None
        return holder

    def deliver(self) -> None:
        self.do(self.machine.deliver, set(), False)

    def replace_while_frozen(self) -> None:
        """Another worker claims; then the first one thaws, and does not know."""
        self.do(self.machine.expire_lease, claimed=True)
        self.do(self.machine.thaw)


def a_zombie_writes(story: Story) -> None:
    zombie = story.begin()
    story.replace_while_frozen()
    story.do(story.machine.let_write, zombie)


def a_zombie_finishes(story: Story) -> None:
    zombie = story.begin()
    story.replace_while_frozen()
    story.do(story.machine.let_finish, zombie)


def a_zombie_finishes_after_the_end(story: Story) -> None:
    zombie = story.begin()
    story.replace_while_frozen()
    story.do(story.machine.let_finish, story.writer())
    story.do(story.machine.let_finish, zombie)


def a_zombie_saves_its_text(story: Story) -> None:
    zombie = story.begin()
    story.replace_while_frozen()
    story.do(story.machine.let_checkpoint, zombie)


def a_zombie_finds_the_log_lost(story: Story) -> None:
    zombie = story.begin()
    story.replace_while_frozen()
    story.do(story.machine.lose_redis)
    story.do(story.machine.let_write, zombie)


def a_worker_dies_before_its_checkpoint(story: Story) -> None:
    story.begin()
    story.do(story.machine.crash)
    story.do(story.machine.reap)
    story.do(story.machine.claim)
    story.do(story.machine.let_write, story.writer())
    story.deliver()
    story.do(story.machine.let_finish, story.writer())
    story.deliver()


class Unfenced(Store):
    """Whoever comes may append."""

    def append(self, writer: Writer, kind: str, frame: str) -> str:
        if self.log is not None and self.log.attempt != writer.attempt:
            writer.seq = self.log.last
            self.log.attempt = writer.attempt
        return super().append(writer, kind, frame)


class Uncompared(Store):
    """The end is written without asking whose attempt it is, and whether it has ended already."""

    def finish(self, writer: Writer, status: Status, *, dies_before_event: bool = False) -> None:
        if self.row is not None:
            self.row.status, self.row.attempt = Status.STREAMING, writer.attempt
        super().finish(writer, status, dies_before_event=dies_before_event)


class Forgetful(Store):
    """The next attempt does not look into the log for what was shown."""

    def text_after(self, position: Position) -> str:
        claiming = self.row is not None and self.row.status is Status.ADMITTED
        return "" if claiming else super().text_after(position)


class Unasked(Store):
    """A checkpoint is written, and a lost log begun again, without asking the row whose attempt it is."""

    def checkpoint(self, writer: Writer, text: str, seq: int) -> bool:
        if self.row is not None:
            self.row.text, self.row.position = text, Position(writer.attempt, seq)
        return True


CASES = [
    (Unfenced, a_zombie_writes, "a zombie wrote"),
    (Uncompared, a_zombie_finishes, "an older attempt moved the row"),
    (Uncompared, a_zombie_finishes_after_the_end, "an older attempt moved the row"),
    (Forgetful, a_worker_dies_before_its_checkpoint, "another text than the end vouches for"),
    (Unasked, a_zombie_saves_its_text, "a zombie saved its text"),
    (Unasked, a_zombie_finds_the_log_lost, "a zombie wrote"),
]


@pytest.mark.parametrize(("store", "tell", "anomaly"), CASES)
def test_the_model_notices_a_protection_that_is_off(
    store: type[Store], tell: Callable[[Story], None], anomaly: str
) -> None:
    with pytest.raises(AssertionError, match=anomaly):
        tell(Story(store))


@pytest.mark.parametrize("tell", dict.fromkeys(tell for _, tell, _ in CASES))
def test_the_same_story_shows_nothing_while_it_is_on(tell: Callable[[Story], None]) -> None:
    story = Story(Store)
    tell(story)
    story.machine.teardown()
