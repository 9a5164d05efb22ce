from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.catch_up import chain, follows, merge, parts, reaches, snapshot_pieces
from streaming.events import (
    START,
    Delta,
    DurableEvent,
    Position,
    Snapshot,
    Started,
    Stopped,
    UsageReported,
    decode,
    encode,
)
from streaming.flow_control import size_of
from streaming.markdown import Block
from streaming.timeline import Event

GENERATION = "00000000-0000-4000-8000-000000000001"


def logged(kind: str, event: DurableEvent) -> Event:
    frame = encode(event)
    return Event(event.position, kind, frame, size_of(frame))


def started(attempt: int, after: Position = START) -> Event:
    event = Started(generation=GENERATION, position=Position(attempt, 1), attempt=attempt, follows=after, model="demo")
    return logged("o", event)


def delta(attempt: int, seq: int, text: str = "x") -> Event:
    event = Delta(generation=GENERATION, position=Position(attempt, seq), text=text)
    return logged("d", event)


def usage(attempt: int, seq: int) -> Event:
    event = UsageReported(
        generation=GENERATION, position=Position(attempt, seq), input_tokens=1, output_tokens=1, cached_tokens=0
    )
    return logged("o", event)


def stopped(attempt: int, seq: int) -> Event:
    event = Stopped(generation=GENERATION, position=Position(attempt, seq), bytes=0, sha256="")
    return logged("x", event)


def test_the_next_seq_of_an_attempt_follows() -> None:
    assert follows(delta(1, 5), Position(1, 4))
    assert not follows(delta(1, 5), Position(1, 3))
    assert not follows(delta(1, 5), Position(1, 5))


def test_a_new_attempt_follows_the_position_it_names_and_no_other() -> None:
    assert follows(started(2, Position(1, 7)), Position(1, 7))
    assert not follows(started(2, Position(1, 7)), Position(1, 6))
    assert follows(started(1), START)


def test_only_an_attempts_first_event_can_follow_another_attempt() -> None:
    assert not follows(delta(2, 1), Position(1, 7))
    assert not follows(delta(2, 2), Position(1, 7))
    assert not follows(stopped(2, 1), Position(1, 7))
    assert follows(stopped(0, 1), START), "it ended in the queue"


def test_a_chain_ends_before_the_first_hole() -> None:
    events = [started(1), delta(1, 2), delta(1, 3), delta(1, 5)]
    assert [event.position.seq for event in chain(events, START)] == [1, 2, 3]
    assert [event.position.seq for event in chain(events, Position(1, 2))] == [3]
    assert chain(events, Position(1, 9)) == []
    assert reaches(chain(events, START), START, Position(1, 3))
    assert reaches([], Position(1, 3), Position(1, 3))
    assert not reaches([], Position(1, 3), Position(1, 5))


def test_runs_of_deltas_become_one_that_names_what_it_follows() -> None:
    events = [started(1), delta(1, 2, "a"), delta(1, 3, "b"), usage(1, 4), delta(1, 5, "c"), stopped(1, 6)]
    pieces = merge(GENERATION, events, START, 1000)
    decoded = [decode(piece.frame) for piece in pieces]
    assert [event.TYPE for event in decoded] == [
        "stream.started",
        "stream.delta",
        "stream.usage",
        "stream.delta",
        "stream.stopped",
    ]
    merged = decoded[1]
    assert isinstance(merged, Delta)
    assert (merged.text, merged.position, merged.follows) == ("ab", Position(1, 3), Position(1, 1))
    assert pieces[3].frame == events[4].frame, "a single delta travels as it is"
    assert [piece.is_end for piece in pieces] == [False, False, False, False, True]
    assert pieces[-1].position == Position(1, 6)


def test_merged_deltas_stay_within_the_size_of_a_part() -> None:
    events = [delta(1, seq, "ü" * 50) for seq in range(2, 102)]
    pieces = merge(GENERATION, events, Position(1, 1), 1000)
    assert all(piece.size <= 1000 for piece in pieces)
    assert len(pieces) > 10
    last = Position(1, 1)
    for piece in pieces:
        event = decode(piece.frame)
        assert isinstance(event, Delta)
        assert event.follows == last
        last = event.position
    assert last == Position(1, 101)


@given(st.text(alphabet="añ€😀\U0010ffff", max_size=200), st.integers(min_value=4, max_value=40))
def test_parts_lose_nothing_and_cut_only_between_code_points(text: str, limit: int) -> None:
    pieces = list(parts(text, limit))
    assert "".join(pieces) == text
    assert pieces
    assert all(size_of(piece) <= limit for piece in pieces)
    assert all(pieces) or pieces == [""]


def test_a_snapshot_brings_its_blocks_after_its_text_in_parts_of_their_own() -> None:
    whole = Snapshot(
        generation=GENERATION,
        position=Position(1, 9),
        epoch="e",
        part=0,
        last=True,
        text="abcd",
        recovered=True,
        status="streaming",
        model="demo",
    )
    blocks = [Block(1, "x" * 6), Block(1, "y" * 6), Block(2, "z" * 40), Block(1, None)]
    pieces = snapshot_pieces(whole, 15, blocks)
    parts = [part for part in (decode(piece.frame) for piece in pieces) if isinstance(part, Snapshot)]
    assert [(part.part, part.text, part.blocks and [one["lines"] for one in part.blocks]) for part in parts] == [
        (0, "abcd", None),
        (1, "", [1, 1]),
        (2, "", [2]),
        (3, "", [1]),
    ]
    assert [part.last for part in parts] == [False, False, False, True]
    assert [block for part in parts for block in part.blocks or ()] == [block._asdict() for block in blocks]
    assert [piece.position for piece in pieces] == [None, None, None, Position(1, 9)]


def test_only_the_last_part_of_a_snapshot_moves_the_viewer() -> None:
    whole = Snapshot(
        generation=GENERATION,
        position=Position(1, 9),
        epoch="e",
        part=0,
        last=True,
        text="abcdefgh",
        recovered=False,
        status="streaming",
        model="demo",
    )
    pieces = snapshot_pieces(whole, 3)
    decoded = [decode(piece.frame) for piece in pieces]
    assert [(part.part, part.last, part.text) for part in decoded if isinstance(part, Snapshot)] == [
        (0, False, "abc"),
        (1, False, "def"),
        (2, True, "gh"),
    ]
    assert [piece.position for piece in pieces] == [None, None, Position(1, 9)]
