from __future__ import annotations

import inspect
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming import events
from streaming.events import (
    EVENT_TYPES,
    START,
    BlockRendered,
    Delta,
    Position,
    Snapshot,
    StreamEvent,
    decode,
    encode,
    encode_delta,
    merge_deltas,
    without_html,
)

ID = "0b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11"
POSITION = Position(2, 7)
#: One of each type; the strings need every kind of escaping that JSON has.
VALUES: dict[str, Any] = {
    "generation": ID,
    "position": POSITION,
    "follows": Position(1, 3),
    "text": 'a "quoted" \\ line\n\t\x01 👩‍👩‍👧 é 漢 </script> \u2028',
    "attempt": 2,
    "model": "demo",
    "input_tokens": 3,
    "output_tokens": 0,
    "cached_tokens": 1,
    "bytes": 5,
    "sha256": "0" * 64,
    "reason": "stop",
    "code": "overloaded",
    "message": "Später.",
    "retryable": True,
    "waited_ms": 7,
    "first_text_ms": 12,
    "duration_ms": 34,
    "retry_in_s": 1.5,
    "ahead": 7,
    "p50_s": 40.0,
    "p90_s": 70.0,
    "why": "paused",
    "resume_s": 20.0,
    "index": 3,
    "lines": 2,
    "html": '<p class="x">\n&amp; \\ é漢</p>',
    "blocks": [{"lines": 1, "html": "<hr>"}, {"lines": 3, "html": None}],
    "epoch": "e1",
    "part": 0,
    "last": False,
    "recovered": False,
    "status": "streaming",
}


def example_of(kind: type[StreamEvent]) -> StreamEvent:
    return kind(**{field.name: VALUES[field.name] for field in fields(kind)})


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.TYPE)
def test_an_event_comes_out_as_it_went_in(kind: type[StreamEvent]) -> None:
    event = example_of(kind)
    frame = encode(event)
    assert decode(frame) == event
    assert json.loads(frame)["type"] == kind.TYPE
    assert "\n" not in frame


def test_every_event_class_has_its_own_type_on_the_wire() -> None:
    kinds = {kind for kind in vars(events).values() if inspect.isclass(kind) and issubclass(kind, StreamEvent)}
    assert set(EVENT_TYPES.values()) == kinds - {StreamEvent, events.DurableEvent, events.Ended}
    assert len({kind.TYPE for kind in EVENT_TYPES.values()}) == len(EVENT_TYPES)
    assert events.PROTOCOL_VERSION == 1


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 2**31), st.integers(1, 2**31))
@example('"\\\x00\x1f\u2028\x7f', 1, 1)
def test_the_hot_path_encodes_like_json(text: str, attempt: int, seq: int) -> None:
    frame = encode_delta(ID, Position(attempt, seq), text)
    expected = {"type": "stream.delta", "generation": ID, "position": f"{attempt}-{seq}", "text": text}
    assert json.loads(frame) == expected
    assert decode(frame) == Delta(generation=ID, position=Position(attempt, seq), text=text)
    frame.encode()


def test_absent_fields_are_not_sent() -> None:
    assert "follows" not in encode(Delta(generation=ID, position=POSITION, text="x"))
    assert json.loads(encode(Delta(generation=ID, position=POSITION, text="x", follows=START)))["follows"] == "0-0"


@pytest.mark.parametrize("text", ["0-0", "1-1", "12-345", "999999999999999-999999999999999"])
def test_a_position_reads_back_what_it_writes(text: str) -> None:
    assert str(Position.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *["", "-", "1", "1-", "-1", "1-1-1", "a-1", "1-a", " 1-1", "1-1 ", "+1-1", "1--1", "-1-1", "1.0-1", "1_0-1"],
        *["0x1-1", "1-1\n", "²-1", "١-١", "1" * 16 + "-1", "1-" + "9" * 400],
    ],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="position"):
        Position.parse(text)


@given(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)))
def test_positions_are_ordered_by_attempt_then_seq(a: tuple[int, int], b: tuple[int, int]) -> None:
    assert (Position(*a) < Position(*b)) is (a < b)


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"stream.unheard_of"}',
        "{}",
        '{"type":"stream.delta"}',
        f'{{"type":"stream.delta","generation":"{ID}","position":"1-1","text":"x","extra":1}}',
        f'{{"type":"stream.delta","generation":"{ID}","position":"1","text":"x"}}',
        "not json",
    ],
)
def test_an_unknown_frame_is_refused(frame: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(frame)


def test_a_snapshot_may_be_empty() -> None:
    empty = Snapshot(
        generation=ID, position=START, epoch="", part=0, last=True, text="", recovered=True, status="queued", model="m"
    )
    assert decode(encode(empty)) == empty


@given(st.none() | st.text(st.characters(exclude_categories=["Cs"])))
@example('","html":"x')
def test_who_wants_no_html_keeps_the_place_of_the_block(html: str | None) -> None:
    block = BlockRendered(generation=ID, position=POSITION, index=2, lines=7, html=html)
    assert decode(without_html(encode(block))) == replace(block, html=None)
    delta = encode_delta(ID, POSITION, ',"html":"')
    assert without_html(delta) is delta


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8))
def test_merged_deltas_hold_the_text_of_all(texts: list[str]) -> None:
    frames = [encode_delta(ID, Position(1, seq), text) for seq, text in enumerate(texts, 5)]
    merged = Delta(generation=ID, position=Position(1, 9), text="".join(texts), follows=Position(1, 4))
    assert decode(merge_deltas(frames, ID, Position(1, 9), Position(1, 4))) == merged


def test_text_that_looks_like_the_protocol_does_not_confuse_a_merge() -> None:
    texts = ['","text":"', '{"type":"stream.delta","text":"x"}', "\\", '"', "\n\u2028\x00"]
    frames = [encode_delta(ID, Position(1, seq), text) for seq, text in enumerate(texts, 1)]
    merged = decode(merge_deltas(frames, ID, Position(1, 5), START))
    assert isinstance(merged, Delta)
    assert merged.text == "".join(texts)
