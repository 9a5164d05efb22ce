"""Hypothesis drives a pure model of row, log, writers and readers through crashes, zombies and losses (G1 to G7)."""

from __future__ import annotations

import hashlib
import json

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streaming.states import TERMINAL, TRANSITIONS, Status
from tests.acceptance.stream_view import StreamView
from tests.unit.streaming.model import ID, Logged, Row, Store, Writer

READERS = st.integers(min_value=0, max_value=2)


class Reader:
    def __init__(self) -> None:
        self.view = StreamView(ID)
        self.connected = False
        self.allowed = True
        #: Snapshots that announced a loss, as far as they were looked at.
        self.announced = 0

    def take(self, frames: list[str]) -> bool:
        """Whether all of them fitted."""
        outcomes = [self.view.apply(json.loads(frame)) for frame in frames]
        return "hole" not in outcomes


class Generation(RuleBasedStateMachine):
    store_class = Store

    def __init__(self) -> None:
        super().__init__()
        self.store = self.store_class()
        self.readers = [Reader() for _ in range(3)]
        self.accepted: dict[str, Row] = {}
        self.was = (Status.QUEUED, 0)
        self.terminal: tuple[object, ...] | None = None
        self.seen = ["", "", ""]
        #: A worker and the log were lost together while people had seen more than the row holds.
        self.may_lose = False

    # People

    @rule(message=st.sampled_from(["a"]))
    def submit(self, message: str) -> None:
        row = self.accepted.setdefault(message, Row())
        if self.store.row is None:
            self.store.row = row
        assert self.store.row is row, "submitted once (G6)"

    @precondition(lambda self: self.store.row)
    @rule()
    def stop(self) -> None:
        row = self.store.row
        assert row is not None
        if row.status not in TERMINAL:
            row.stop_requested = True

    @precondition(lambda self: self.store.row)
    @rule(number=READERS)
    def connect(self, number: int) -> None:
        reader = self.readers[number]
        if reader.allowed:
            reader.connected = True
            self._bring_here(reader)

    @rule(number=READERS)
    def drop(self, number: int) -> None:
        self.readers[number].connected = False

    @rule()
    def revoke(self) -> None:
        self.readers[0].allowed = self.readers[0].connected = False

    @precondition(lambda self: self.store.row)
    @rule()
    def heartbeat(self) -> None:
        for reader in self.readers:
            if reader.connected:
                self._bring_here(reader)

    def _bring_here(self, reader: Reader) -> None:
        view = reader.view
        assert reader.take(self.store.catch_up(view.position, view.epoch)), "what heals a hole has one itself"
        if self.store.log is not None and view.epoch is None:
            view.epoch = self.store.log.epoch

    @precondition(lambda self: self.store.published)
    @rule(lost=st.sets(READERS), twice=st.booleans())
    def deliver(self, lost: set[int], twice: bool) -> None:
        """The layer's messages: some never arrive, some twice; a hole is healed from the log."""
        entries = self.store.published
        self.store.published = []
        for number, reader in enumerate(self.readers):
            if reader.connected and number not in lost:
                self._live(reader, [*entries, *entries] if twice else entries)

    def _live(self, reader: Reader, entries: list[Logged]) -> None:
        if not reader.take([entry.frame for entry in entries]):
            self._bring_here(reader)

    # Workers

    @precondition(lambda self: self.store.row)
    @rule()
    def claim(self) -> None:
        self.store.claim()

    def _acting(self) -> list[Writer]:
        return [writer for writer in self.store.writers if writer.alive and not writer.frozen]

    @precondition(lambda self: self._acting())
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        self.let_write(data.draw(st.sampled_from(self._acting())))

    def let_write(self, writer: Writer) -> None:
        row, refused = self.store.row, self.store.refused
        assert row is not None
        self.store.write(writer)
        if writer.attempt != row.attempt:  # until the next claim its text is still wanted: that claim folds it in
            assert self.store.refused > refused or not writer.alive, "a zombie wrote (G7)"

    @precondition(lambda self: self._acting())
    @rule(data=st.data())
    def checkpoint(self, data: st.DataObject) -> None:
        self.let_checkpoint(data.draw(st.sampled_from(self._acting())))

    def let_checkpoint(self, writer: Writer) -> None:
        if self.store.checkpoint(writer, writer.text, writer.seq):
            assert self.store.row is not None
            assert writer.attempt == self.store.row.attempt, "a zombie saved its text (G7)"

    @precondition(lambda self: self._acting())
    @rule(data=st.data(), dies=st.booleans())
    def finish(self, data: st.DataObject, dies: bool) -> None:
        self.let_finish(data.draw(st.sampled_from(self._acting())), dies=dies)

    def let_finish(self, writer: Writer, *, dies: bool = False) -> None:
        assert self.store.row is not None
        status = Status.STOPPED if self.store.row.stop_requested else Status.COMPLETED
        self.store.finish(writer, status, dies_before_event=dies)

    @rule()
    def crash(self) -> None:
        if (holder := self.store.holder) is not None:
            holder.alive = False
            self._note_loss()

    @precondition(lambda self: self.store.holder)
    @rule(claimed=st.booleans())
    def expire_lease(self, claimed: bool) -> None:
        """The holder freezes for longer than its lease; perhaps another worker is at hand."""
        if (holder := self.store.holder) is not None:
            holder.frozen = True
        self.reap()
        if claimed:
            self.store.claim()

    @precondition(lambda self: any(writer.frozen for writer in self.store.writers))
    @rule()
    def thaw(self) -> None:
        for writer in self.store.writers:
            writer.frozen = False

    @precondition(lambda self: self.store.row)
    @rule()
    def reap(self) -> None:
        self.store.reap()
        self._note_loss()

    @rule()
    def lose_redis(self) -> None:
        self.store.log = None
        self.store.published = []
        self._note_loss()

    def _note_loss(self) -> None:
        """Nobody holds the newest text any more: neither the log nor a living writer."""
        row, holder = self.store.row, self.store.holder
        if row is None or row.status in TERMINAL or self.store.log is not None:
            return
        if holder is None or not holder.alive or holder.frozen:
            self.may_lose = True

    # What always holds

    @invariant()
    def what_was_shown_stays_unless_its_loss_was_announced(self) -> None:
        for number, reader in enumerate(self.readers):
            text, announced = reader.view.text, reader.view.unrecovered
            if not text.startswith(self.seen[number]):
                assert self.may_lose, "G3: something disappeared"
                assert announced > reader.announced, "G13: it disappeared in silence"
            self.seen[number], reader.announced = text, announced

    @invariant()
    def readers_of_one_log_see_prefixes_of_one_text(self) -> None:
        log = self.store.log
        same = [r.view.text for r in self.readers if log is not None and r.view.epoch == log.epoch]
        longest = max(same, key=len, default="")
        assert all(longest.startswith(text) for text in same), "G1"

    @invariant()
    def a_row_moves_only_along_the_table_and_ends_once(self) -> None:
        row = self.store.row
        if row is None:
            return
        status, attempt = self.was
        assert row.attempt >= attempt, "an older attempt moved the row (G7)"
        if row.status != status:
            # A rule may take two steps: admitted, streaming, completed.
            assert row.status in _within_two(status), f"{status} → {row.status}"
        self.was = (row.status, row.attempt)
        if row.status in TERMINAL:
            now = (row.status, row.attempt, row.text, row.position, row.sha256)
            assert self.terminal in (None, now), "G4: an end was written over"
            self.terminal = now
            assert row.sha256 == hashlib.sha256(row.text.encode()).hexdigest()

    @invariant()
    def whoever_was_told_of_the_end_has_its_text(self) -> None:
        for reader in self.readers:
            if reader.view.end is not None:
                assert reader.view.is_whole, "G1: another text than the end vouches for"
                assert self.store.row is not None
                assert reader.view.text == self.store.row.text

    @invariant()
    def nobody_without_the_right_is_connected(self) -> None:
        assert all(reader.allowed or not reader.connected for reader in self.readers)

    def teardown(self) -> None:
        """Everything accepted can be brought to an end, and every reader to its text (G4, G5)."""
        row = self.store.row
        if row is None:
            return
        if row.status not in TERMINAL:
            self.store.reap()
            self.store.claim()
            holder = self.store.holder
            assert holder is not None
            self.store.finish(holder, Status.COMPLETED)
        for reader in self.readers:
            if reader.allowed:
                self._bring_here(reader)
                assert reader.view.end is not None
        self.what_was_shown_stays_unless_its_loss_was_announced()
        self.whoever_was_told_of_the_end_has_its_text()


def _within_two(status: Status) -> set[Status]:
    one = TRANSITIONS[status]
    return {*one, *(target for between in one for target in TRANSITIONS[between])}


LIMITS = settings(
    max_examples=200,
    stateful_step_count=50,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
Generation.TestCase.settings = LIMITS
TestGeneration = Generation.TestCase
