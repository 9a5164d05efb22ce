from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streaming.coalescer import CHUNK_MAX_CHARS, Coalescer
from streaming.errors import Fenced, StopRequested, StreamingError, Vetoed
from streaming.events import BlockRendered, Delta, Position, Started, UsageReported, decode
from streaming.filters import BannedPhrases, Chain, CleanText
from streaming.markdown import Block, Rendered
from streaming.writer import Frozen, StreamWriter

ID = "0b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11"


def make(*, attempt: int = 1, text_max_bytes: int = 1_000_000, banned: tuple[str, ...] = ()) -> StreamWriter:
    filters: list[Any] = [CleanText(), BannedPhrases(banned)]
    return StreamWriter(
        ID,
        attempt,
        token="token",
        model="demo",
        filters=Chain(filters),
        coalescer=Coalescer(window_s=0.033, chunk_max_chars=4096),
        text_max_bytes=text_max_bytes,
        mark=lambda writer: None,
    )


def started(**options: Any) -> StreamWriter:
    """A writer whose first event is confirmed."""
    writer = make(**options)
    writer.freeze(0.0)
    writer.confirm()
    return writer


def append(writer: StreamWriter) -> Frozen | None:
    frozen = writer.freeze(0.0)
    if frozen is not None:
        writer.confirm()
    return frozen


def append_all(writer: StreamWriter) -> list[Frozen]:
    events = []
    while (frozen := append(writer)) is not None:
        events.append(frozen)
    return events


def usage(position: Position) -> UsageReported:
    return UsageReported(generation=ID, position=position, input_tokens=1, output_tokens=2, cached_tokens=0)


def test_an_attempt_begins_by_saying_what_it_follows() -> None:
    writer = make(attempt=3)
    writer.before = Position(2, 9)
    frozen = writer.freeze(0.0)
    assert frozen is not None
    assert decode(frozen.frame) == Started(
        generation=ID, position=Position(3, 1), attempt=3, follows=Position(2, 9), model="demo"
    )
    assert writer.position == Position(2, 9)
    writer.confirm()
    assert writer.position == Position(3, 1)


def test_an_event_keeps_its_place_and_bytes_until_it_is_confirmed() -> None:
    writer = started()
    writer.feed("one")
    first = writer.freeze(0.0)
    writer.feed("two")
    assert writer.freeze(1.0) is first
    assert (writer.seq, writer.text) == (1, "")
    writer.confirm()
    assert (writer.seq, writer.text) == (2, "one")
    second = writer.freeze(2.0)
    assert second is not None
    assert decode(second.frame) == Delta(generation=ID, position=Position(1, 3), text="two")


def test_only_confirmed_text_counts_as_seen() -> None:
    writer = started()
    writer.feed("seen")
    append(writer)
    writer.feed("frozen")
    writer.freeze(0.0)
    writer.feed(" pending")
    assert (writer.text, writer.position) == ("seen", Position(1, 2))
    assert writer.take_unconfirmed() == "frozen pending"


def test_it_says_once_when_text_became_visible() -> None:
    writer, said = make(), []
    writer.on_first_text = lambda: said.append(writer.text)
    append(writer)
    assert not writer.has_text
    for word in ("one", "two"):
        writer.feed(word)
        assert writer.has_input
        append(writer)
    assert said == ["one"]


def test_an_event_that_is_not_text_waits_for_the_text_before_it() -> None:
    writer = started()
    writer.feed("x" * (2 * CHUNK_MAX_CHARS + 1))
    writer.end_of_text(flush_filters=True)
    writer.control("o", usage)
    assert [frozen.kind for frozen in append_all(writer)] == ["d", "d", "d", "o"]
    assert writer.idle


def test_what_was_kept_back_goes_out_at_the_end() -> None:
    writer = started(banned=("forbidden",))
    writer.feed("👩 forbid")
    assert append(writer) is not None
    assert append(writer) is None
    writer.end_of_text(flush_filters=True)
    append_all(writer)
    assert writer.text == "👩 forbid"


def test_without_flushing_what_the_filters_kept_back_stays_unseen() -> None:
    writer = started(banned=("forbidden",))
    writer.feed("so forbid")
    writer.end_of_text(flush_filters=False)
    append_all(writer)
    assert writer.text == "so "


def test_what_a_veto_allows_is_kept_and_the_rest_is_not() -> None:
    writer = started(banned=("secret",))
    with pytest.raises(Vetoed):
        writer.feed("this is a secret word")
    append_all(writer)
    assert writer.text == "this is a "


def test_a_veto_at_the_end_keeps_what_it_allows() -> None:
    class NoQuestions:
        def feed(self, text: str) -> str:
            return text

        def flush(self) -> str:
            raise Vetoed("No.", allowed="!")

    writer = started()
    writer._filters = Chain([NoQuestions()])
    writer.feed("what")
    with pytest.raises(Vetoed):
        writer.end_of_text(flush_filters=True)
    append_all(writer)
    assert writer.text == "what!"


def test_a_refused_writer_gives_nothing_out_any_more() -> None:
    writer, heard = started(), list[StreamingError]()
    writer.on_refused = heard.append
    writer.feed("x")
    writer.freeze(0.0)
    writer.refuse(Fenced())
    writer.refuse(StopRequested())
    assert [type(error) for error in heard] == [Fenced]
    assert writer.idle
    assert (writer.text, writer.frozen) == ("", None)


def test_after_a_stop_only_what_may_be_visible_already_is_kept() -> None:
    writer = started()
    writer.feed("frozen")
    writer.freeze(0.0)
    writer.feed("pending")
    writer.withdraw()
    writer.end_of_text(flush_filters=False)
    assert not writer.idle
    writer.confirm()
    assert writer.text == "frozen"
    assert writer.idle


def test_it_is_not_idle_before_its_first_event() -> None:
    writer = make()
    assert not writer.idle
    append(writer)
    assert writer.idle


def test_a_confirmation_of_nothing_changes_nothing() -> None:
    writer = started()
    writer.confirm()
    assert writer.seq == 1


@pytest.mark.parametrize(
    ("deltas", "kept"),
    [
        (["12345", "67890", "more"], "1234567890"),
        (["123456789012"], "1234567890"),
        (["1234567890"], "1234567890"),
        (["12345678é", "x"], "12345678é"),
        (["123456789é"], "123456789"),
        (["12345👍🏽"], "12345"),
        (["1", "2" * 5_000_000], "1222222222"),
    ],
)
def test_text_is_taken_up_to_the_limit_and_not_a_byte_further(deltas: list[str], kept: str) -> None:
    writer = started(text_max_bytes=10)
    for delta in deltas:
        writer.feed(delta)
    writer.end_of_text(flush_filters=True)
    append_all(writer)
    assert writer.text == kept
    assert writer.full is (len("".join(deltas).encode()) > 10)


def test_the_limit_holds_while_nothing_can_be_confirmed() -> None:
    writer = make(text_max_bytes=1000)
    for _ in range(100):
        writer.feed("x" * 100)
    assert writer.full
    assert len(writer.take_unconfirmed()) == 1000


def test_it_tells_its_publisher_only_when_something_new_came() -> None:
    marks: list[StreamWriter] = []
    writer = started()
    writer._mark = marks.append
    actions: list[Callable[[], None]] = [
        lambda: writer.feed(""),
        lambda: writer.feed("x"),
        lambda: writer.end_of_text(flush_filters=True),
        lambda: writer.control("o", usage),
    ]
    counts = []
    for action in actions:
        action()
        counts.append(len(marks))
    assert counts == [0, 1, 2, 3]


def test_the_limit_counts_what_earlier_attempts_showed() -> None:
    writer = started(attempt=2, text_max_bytes=10)
    writer.resume("1234", Chain([]))
    writer.resume("123456", Chain([]))  # the log told more than the row
    writer.feed("7890X")
    writer.end_of_text(flush_filters=True)
    append_all(writer)
    assert (writer.text, writer.own_text, writer.full) == ("1234567890", "7890", True)


# When it is due.


def test_what_never_waits_for_a_window_is_due() -> None:
    assert make().due(0.0, 0.033)  # the attempt's first event
    writer = started()
    writer.feed("first")
    assert writer.due(0.0, 0.033)
    writer.freeze(0.0)
    assert writer.due(0.0, 0.033)  # an unconfirmed event is sent again
    writer.confirm()
    writer.feed("second")
    assert not writer.due(0.001, 0.033)
    writer.end_of_text(flush_filters=True)
    assert writer.due(0.001, 0.033)


def test_a_window_is_over_for_each_stream_by_itself_and_stretches() -> None:
    writer = started()
    writer.feed("first")
    append(writer)
    writer.feed("second")
    assert not writer.due(0.032, 0.033)
    assert writer.due(0.034, 0.033)
    assert not writer.due(0.034, 0.1)
    assert writer.due(0.101, 0.1)


def test_blocks_and_text_take_turns_and_an_end_waits_for_both() -> None:
    writer = started()
    heard: list[str] = []
    writer.on_text = heard.append
    writer.feed("# a\n")
    append_all(writer)
    assert heard == ["# a\n"]
    writer.offer([Rendered(0, Block(1, "<h3>a</h3>")), Rendered(1, Block(1, None))])
    writer.feed("more")
    writer.control("o", usage)
    assert writer.due(0.0, 1e9)
    kinds = []
    while (frozen := writer.freeze(1.0)) is not None:
        assert not writer.idle
        kinds.append(frozen.kind)
        if len(kinds) < 3:
            writer.feed("x")
        writer.confirm()
        writer.draining = True
    assert kinds == ["d", "b", "d", "b", "o"]
    assert writer.blocks.confirmed == [Block(1, "<h3>a</h3>"), Block(1, None)]


def test_a_block_that_is_not_confirmed_is_not_in_the_row() -> None:
    writer = started()
    writer.offer([Rendered(0, Block(1, "<hr>"))])
    frozen = writer.freeze(0.0)
    assert frozen is not None
    event = decode(frozen.frame)
    assert isinstance(event, BlockRendered)
    assert (event.index, event.lines, event.html, event.position) == (0, 1, "<hr>", Position(1, 2))
    assert (writer.blocks.encoded(), writer.text, writer.idle) == ("", "", False)
    assert writer.freeze(1.0) is frozen, "it is sent again as it was"
    writer.confirm()
    assert writer.blocks.confirmed == [Block(1, "<hr>")]
    assert writer.idle
