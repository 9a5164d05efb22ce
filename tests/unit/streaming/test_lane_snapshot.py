from __future__ import annotations

import dataclasses

from streaming.lane_snapshot import (
    Arrival,
    Bucket,
    Closed,
    Deep,
    Place,
    Running,
    Service,
    WaitEnded,
    Waiting,
    parse_snapshot,
)

REPLY = [
    1000, b"epoch", 500, 1, 1, b"paused", 4000, b"", b"pause", b"An administrator did.", 12, -1, 3,
    [b"r", b"1.5", b"10", b"0.75"],
    [b"ann", 2500],
    [b"g1", 500, 7, b"ann", 100, 200, 900],
    [b"g2", 600, 8, b"bob", 10, 20, 950],
    [500, 9000, 510],
    [b"ann", b"700"],
    [b"a 900 6000 ann", b"w 950 1500 1 g0", b"s 960 16000 600 580", b"p 970 2500", b"? of a later version"],
]  # fmt: skip


def test_a_reply_becomes_a_snapshot() -> None:
    seen = parse_snapshot(REPLY)
    assert (seen.epoch, seen.virtual, seen.slots, seen.user_slots) == ("epoch", 500, 12, None)
    assert (seen.closed, seen.closed_s) == ("paused", 3.0)
    assert (seen.held, seen.held_why) == ("pause", "An administrator did.")
    assert seen.buckets == {"r": Bucket(1.5, 10.0, 0.75)}
    assert seen.running == [Running("ann", 2.5)]
    assert seen.waiting == [Waiting("g1", Place(500, 7), "ann", 100, 200, 900)]
    assert seen.parked == [Waiting("g2", Place(600, 8), "bob", 10, 20, 950)]
    assert seen.finish == {"ann": 700}
    assert seen.deep == [Deep(500, Place(9000, 510))]


def test_history_lines_become_events_and_unknown_ones_are_left_out() -> None:
    assert parse_snapshot(REPLY).history == [
        Arrival(900, 6000, "ann"),
        WaitEnded(950, 1.5, True, "g0"),
        Service(960, 16.0, 600, 580),
        Closed(970, 2.5),
    ]


def test_an_open_lane_is_not_waited_for() -> None:
    seen = dataclasses.replace(parse_snapshot(REPLY), closed="")
    assert seen.closed_s == 0
