from __future__ import annotations

import pytest

from streaming.flow_control import Outbox, SendWindow, size_of


def test_a_frame_is_measured_in_bytes_not_characters() -> None:
    assert size_of("abc") == 3
    assert size_of("añ€😀") == 1 + 2 + 3 + 4


class TestSendWindow:
    def test_envelopes_are_numbered_from_one(self) -> None:
        window = SendWindow(1000, 100)
        assert [window.sent(10), window.sent(10)] == [1, 2]

    def test_it_shuts_when_a_whole_envelope_no_longer_fits(self) -> None:
        window = SendWindow(1000, 100)
        window.sent(900)
        assert window.is_open
        window.sent(1)
        assert not window.is_open

    def test_an_acknowledgement_covers_all_envelopes_before_it(self) -> None:
        window = SendWindow(1000, 100)
        for _ in range(3):
            window.sent(400)
        assert window.ack(2)
        assert window.in_flight == 400
        assert window.is_open

    def test_an_old_or_repeated_acknowledgement_changes_nothing(self) -> None:
        window = SendWindow(1000, 100)
        window.sent(400)
        window.sent(400)
        assert window.ack(2)
        assert not window.ack(2)
        assert not window.ack(1)
        assert not window.ack(-5)
        assert window.in_flight == 0

    def test_an_acknowledgement_from_the_future_is_refused_and_changes_nothing(self) -> None:
        window = SendWindow(1000, 100)
        window.sent(950)
        with pytest.raises(ValueError, match="never sent"):
            window.ack(2)
        assert not window.is_open

    def test_one_envelope_larger_than_the_window_still_gets_through(self) -> None:
        window = SendWindow(100, 100)
        assert window.is_open
        window.sent(5000)
        assert not window.is_open
        window.ack(1)
        assert window.is_open


class TestOutbox:
    def test_it_refuses_what_does_not_fit_and_keeps_what_it_has(self) -> None:
        outbox = Outbox(10)
        assert outbox.put("aaaaaa", 6)
        assert not outbox.put("bbbbb", 5)
        assert outbox.put("cccc", 4)
        assert outbox.take(100) == (["aaaaaa", "cccc"], 10)

    def test_a_frame_larger_than_it_enters_when_it_is_empty(self) -> None:
        outbox = Outbox(10)
        assert outbox.put("x" * 50, 50)
        assert not outbox.put("y", 1)

    def test_control_frames_are_admitted_when_it_is_full(self) -> None:
        outbox = Outbox(10)
        assert outbox.put("x" * 10, 10)
        assert outbox.put_control("pong", 4)
        assert outbox.take(100)[0] == ["x" * 10, "pong"]

    def test_even_control_frames_have_a_bound(self) -> None:
        outbox = Outbox(10)
        admitted = sum(outbox.put_control("12345", 5) for _ in range(1000))
        assert admitted == 10 * Outbox.HARD // 5

    def test_it_hands_out_the_oldest_frames_up_to_a_size_but_always_one(self) -> None:
        outbox = Outbox(1000)
        for frame in ("aaaa", "ääää", "c" * 50, "d"):
            assert outbox.put(frame, size_of(frame))
        assert outbox.take(12) == (["aaaa", "ääää"], 12)
        assert outbox.take(12) == (["c" * 50], 50)
        assert outbox.take(12) == (["d"], 1)
        assert not outbox
        assert outbox.size == 0

    def test_it_has_room_again_when_half_of_it_is_free(self) -> None:
        outbox = Outbox(10)
        for _ in range(3):
            outbox.put("xx", 2)
        assert not outbox.has_room
        outbox.take(2)
        assert outbox.has_room
