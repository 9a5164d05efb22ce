"""The module that others copy: what it does with each thing that a network and a site can do to it."""

from __future__ import annotations

import hashlib
import io
import json
import urllib.error
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Any

import pytest

from chatsite.client.answer_stream import Answer, StreamError, read_answer

Frame = dict[str, Any]
TEXT = "One two three"


def delta(position: str, text: str) -> Frame:
    return {"type": "stream.delta", "generation": "g", "position": position, "text": text}


def completed(position: str, text: str = TEXT) -> Frame:
    end = {"type": "stream.completed", "generation": "g", "position": position, "message": "", "bytes": len(text)}
    return end | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def snapshot(position: str, text: str, part: int = 0, last: bool = True) -> Frame:
    head = {"type": "stream.snapshot", "generation": "g", "position": position, "epoch": "e"}
    return head | {"part": part, "last": last, "text": text, "recovered": False}


STORY = [
    {"type": "stream.started", "generation": "g", "position": "1-1", "attempt": 1, "follows": "0-0", "model": "demo"},
    delta("1-2", "One "), delta("1-3", "two "), delta("1-4", "three"), completed("1-5"),
]  # fmt: skip


def written(*frames: Frame) -> bytes:
    lines = ["retry: 1000\n: events\n\n"]
    for frame in frames:
        id = f"id: {frame['position']}.e.g\n" if "position" in frame else ""
        lines.append(f"{id}event: {frame['type']}\ndata: {json.dumps(frame)}\n\n: keep-alive\n\n")
    return "".join(lines).encode()


class Site:
    """Answers one request after the other with what it was given: bytes, a status, or an error to raise."""

    def __init__(self, *answers: bytes | int | Exception) -> None:
        self.answers: Iterator[bytes | int | Exception] = iter(answers)
        self.asked: list[str | None] = []
        self.slept: list[float] = []
        self.time = 0.0

    def open(self, request: Any, timeout: float) -> Any:
        self.asked.append(request.headers.get("Last-event-id"))
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        response = io.BytesIO(b"" if isinstance(answer, int) else answer)
        response.status = answer if isinstance(answer, int) else 200  # type: ignore[attr-defined]
        return response

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def read(self, answer: Answer, chance: Callable[[], float] = lambda: 1.0) -> list[Frame]:
        options: Any = {"open": self.open, "sleep": self.sleep, "now": lambda: self.time, "chance": chance}
        return list(read_answer("http://site/", "key", "g", answer, **options))


def refusal(status: int, **problem: Any) -> urllib.error.HTTPError:
    body = io.BytesIO(json.dumps(problem).encode())
    return urllib.error.HTTPError("http://site/", status, "", Message(), body)


def test_an_answer_is_read_to_its_end_and_proven() -> None:
    answer = Answer()
    assert Site(written(*STORY)).read(answer) == STORY
    assert (answer.text, answer.status, answer.is_proven, answer.cursor) == (TEXT, "completed", True, "1-5.e.g")


def test_cut_anywhere_it_goes_on_and_nothing_is_lost_or_doubled() -> None:
    """Also where the site repeats everything, as one would that knows no cursors."""
    for cut in range(len(written(*STORY))):
        answer, site = Answer(), Site(written(*STORY)[:cut], written(*STORY), 204)
        assert site.read(answer) == STORY, cut
        assert (answer.text, answer.is_proven) == (TEXT, True), cut


def test_it_comes_back_with_the_id_of_the_last_event() -> None:
    site = Site(written(*STORY[:3]), OSError("gone"), written(*STORY[3:]))
    site.read(Answer())
    assert site.asked == [None, "1-3.e.g", "1-3.e.g"]


def test_nothing_more_to_come_is_an_end() -> None:
    answer = Answer(cursor="1-5.e.g")
    site = Site(204)
    assert site.read(answer) == []
    assert (answer.is_over, answer.end, site.asked) == (True, None, ["1-5.e.g"])


def test_a_snapshot_in_parts_replaces_what_was_there_and_is_told_the_end_of_its_own_position() -> None:
    parts = [snapshot("2-9", "One two ", 0, False), snapshot("2-9", "three", 1)]
    answer = Answer()
    Site(written(*STORY[:2], *parts, delta("2-8", "!"), completed("2-9"))).read(answer)
    assert (answer.text, answer.is_proven) == (TEXT, True)


def test_a_snapshot_that_was_cut_is_not_half_believed() -> None:
    site = Site(written(snapshot("2-9", "One ", 0, False)), written(snapshot("2-9", TEXT), completed("2-9")))
    answer = Answer()
    site.read(answer)
    assert (answer.text, answer.is_proven) == (TEXT, True)


def test_a_text_that_is_not_the_one_of_the_end_is_not_proven() -> None:
    answer = Answer()
    Site(written(delta("1-3", "two "), completed("1-4"))).read(answer)
    assert not answer.is_proven


def test_delays_grow_up_to_a_limit_are_drawn_by_chance_and_begin_anew_with_each_event() -> None:
    lost = OSError("gone")
    site = Site(*[lost] * 7, written(*STORY[:2]), lost, written(*STORY[2:]))
    site.read(Answer())
    assert site.slept == [0.5, 1, 2, 4, 8, 15, 15, 0.5, 1]
    calm = Site(lost, written(*STORY))
    calm.read(Answer(), chance=lambda: 0.5)
    assert calm.slept == [0.25]


def test_a_refusal_that_passes_is_waited_for_as_long_as_it_says() -> None:
    busy = refusal(429, detail="slowly", retry_after_s=7)
    restart = {"type": "error", "error": {"status": 503, "detail": "restarting", "retry_after_s": 3}}
    events = written(STORY[0]) + f"event: error\ndata: {json.dumps(restart['error'])}\n\n".encode()
    site = Site(busy, events, written(*STORY[1:]))
    answer = Answer()
    site.read(answer)
    assert (site.slept, answer.is_proven) == ([7, 3], True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_that_stays_is_told_in_the_words_of_the_site(status: int) -> None:
    with pytest.raises(StreamError, match="not yours"):
        Site(refusal(status, detail="not yours")).read(Answer())


def test_a_refusal_by_something_that_is_no_chat_site_has_words_as_well() -> None:
    page = urllib.error.HTTPError("http://site/", 404, "", Message(), io.BytesIO(b"<html>"))
    with pytest.raises(StreamError, match="HTTP 404"):
        Site(page).read(Answer())


@pytest.mark.parametrize("answer", [OSError("gone"), b""])
def test_its_patience_ends(answer: Any) -> None:
    site = Site(*[answer] * 100)
    with pytest.raises(StreamError, match="120 s"):
        site.read(Answer())
    assert 120 < site.time < 140


def test_a_wait_is_known_until_text_comes() -> None:
    queued = {"type": "stream.queued", "generation": "g", "reason": "waiting", "ahead": 2}
    answer = Answer()
    answer.apply(queued)
    assert answer.waiting == queued
    answer.apply(delta("1-2", "One "))
    assert answer.waiting is None
