from __future__ import annotations

import json

import pytest

from chat.api.event_format import EventFormat, begins_anew, head_of
from streaming.events import Delta, Position, Queued, Snapshot, encode, merge_deltas

G = "0b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11"
DELTA = encode(Delta(generation=G, position=Position(1, 2), text='a"position":"9-9'))


def snapshot(*, last: bool, epoch: str = "beef") -> str:
    return encode(
        Snapshot(generation=G, position=Position(1, 7), epoch=epoch, part=0, last=last, text="a", recovered=True,
                 status="streaming", model="m")
    )  # fmt: skip


def test_an_event_has_its_position_in_its_id_and_is_not_changed() -> None:
    written = EventFormat(G, "cafe", as_lines=False).write(DELTA)
    assert written == f"id: 1-2.cafe.0b6f3a52\nevent: stream.delta\ndata: {DELTA}\n\n"


def test_a_line_holds_the_same_and_its_id() -> None:
    line = EventFormat(G, "cafe", as_lines=True).write(DELTA)
    assert line.endswith("\n")
    assert json.loads(line) == {**json.loads(DELTA), "id": "1-2.cafe.0b6f3a52"}


def test_who_is_cut_off_within_a_snapshot_is_not_yet_where_it_leads() -> None:
    writer = EventFormat(G, "cafe", as_lines=False)
    assert not writer.write(snapshot(last=False)).startswith("id:")
    assert writer.write(snapshot(last=True)).startswith("id: 1-7.beef.")


def test_events_after_a_snapshot_stand_in_its_epoch() -> None:
    writer = EventFormat(G, "cafe", as_lines=False)
    writer.write(snapshot(last=True))
    assert ".beef." in writer.write(DELTA)


def test_what_is_not_repeated_has_no_id() -> None:
    queued = encode(Queued(generation=G, reason="waiting"))
    assert EventFormat(G, None, as_lines=False).write(queued).startswith("event: stream.queued\n")
    assert EventFormat(G, None, as_lines=True).write(queued) == queued + "\n"


def test_merged_deltas_stand_at_their_last_position() -> None:
    merged = merge_deltas([DELTA, DELTA], G, Position(1, 9), Position(1, 1))
    assert head_of([DELTA, merged]) == "1-9"


def test_a_snapshot_begins_anew() -> None:
    assert begins_anew([snapshot(last=True)])
    assert not begins_anew([DELTA])
    assert head_of([]) is None


def test_something_else_is_not_written() -> None:
    with pytest.raises(ValueError, match="not a frame"):
        EventFormat(G, None, as_lines=False).write('{"text":"a"}')
