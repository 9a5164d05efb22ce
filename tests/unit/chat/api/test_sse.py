from __future__ import annotations

from chat.api import sse


def test_data_is_one_line_whatever_it_holds() -> None:
    assert sse.data({"text": "a\nb\u2028ü"}) == 'data: {"text":"a\\nb\u2028ü"}\n\n'


def test_an_event_has_its_id_before_its_data() -> None:
    assert sse.event("stream.delta", "{}", "1-2") == "id: 1-2\nevent: stream.delta\ndata: {}\n\n"
    assert sse.event("error", "{}") == "event: error\ndata: {}\n\n"


def test_a_comment_cannot_become_anything_else() -> None:
    assert sse.comment("two\nlines\r\ndata: x") == ": two lines data: x\n\n"
