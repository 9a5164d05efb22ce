from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.providers.server_sent_events import EVENT_MAX_BYTES, EventDecoder

STREAM = (
    b': a comment\n\nevent: greeting\nid: 1\ndata: {"text": "h\xc3\xa9llo"}\n\n'
    b"retry: 3000\n\ndata:\n\nid: 2\n: comment\n\ndata: two\ndata: lines\n\nnonsense\ndata: [DONE]\n\n"
)
EVENTS = [b'{"text": "h\xc3\xa9llo"}', b"", b"two\n lines", b"[DONE]"]


def decode(*chunks: bytes) -> list[bytes]:
    decoder = EventDecoder()
    return [event.removeprefix(b" ") for chunk in chunks for event in decoder.feed(chunk)]


def test_it_gives_the_data_of_each_event_and_nothing_else() -> None:
    assert decode(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM))))
def test_it_does_not_matter_where_the_network_cuts(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert decode(*(STREAM[start:end] for start, end in pairwise(edges))) == EVENTS


def test_it_does_not_matter_if_every_byte_comes_alone() -> None:
    assert decode(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == EVENTS


def test_lines_may_end_in_crlf() -> None:
    assert [event.strip() for event in decode(b"data: 1\r\n\r", b"\nevent: x\r\ndata: 2\r\n\r\n")] == [b"1", b"2"]


def test_an_event_that_the_end_cuts_off_is_dropped() -> None:
    assert decode(b"data: 1\n\ndata: 2\n") == [b"1"]


def test_an_event_without_end_is_refused_before_it_fills_the_memory() -> None:
    decoder, chunk = EventDecoder(), b"x" * (1024 * 1024)
    for _ in range(EVENT_MAX_BYTES // len(chunk)):
        decoder.feed(chunk)
    with pytest.raises(ValueError, match="too large"):
        decoder.feed(chunk)


def test_many_small_events_are_no_large_one() -> None:
    decoder, chunk = EventDecoder(), b"data: " + b"x" * (1024 * 1024) + b"\n\n"
    assert sum(len(decoder.feed(chunk)) for _ in range(EVENT_MAX_BYTES // len(chunk) + 3)) > 16
