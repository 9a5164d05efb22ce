"""Reads an answer while it is written, over lost connections, without a lost or doubled character.

Copy this file into your program: it needs Python 3.11 and nothing else.

    answer = Answer()
    for frame in read_answer("https://chat.example.org", "sk-chat-…", stream_id, answer):
        print(frame.get("text", ""), end="", flush=True)
    print(answer.status, answer.is_proven)

Whoever was cut off comes back with the id of the last event (`Last-Event-ID`), after a delay that grows and is random,
so that not all come at once; an event that was seen already is known by its position; 204: there is nothing more.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

#: A stream says something every 15 s at least: whoever hears nothing for longer has lost it.
SILENCE_S = 45.0
DELAY_S, DELAY_MOST_S = 0.5, 15.0
#: Refusals after which trying again may help.
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
ENDINGS = frozenset({"stream.completed", "stream.stopped", "stream.interrupted", "stream.failed", "stream.expired"})


class StreamError(Exception):
    """It cannot be read further: refused for good, or nobody answered for too long."""


@dataclass
class Answer:
    """What is known of an answer. Kept `cursor`s may be used later, also by another process."""

    text: str = ""
    cursor: str | None = None
    position: tuple[int, int] = (0, 0)
    #: The newest `stream.queued`, while it waits.
    waiting: dict[str, Any] | None = None
    #: The terminal event.
    end: dict[str, Any] | None = None
    #: Nothing more will come. Without `end`: it ended before `cursor`.
    is_over: bool = False
    _parts: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        return "" if self.end is None else str(self.end["type"]).removeprefix("stream.")

    @property
    def is_proven(self) -> bool:
        """Whether the text is the one that the end vouches for; only who read from the beginning can know."""
        return self.end is not None and self.end["sha256"] == hashlib.sha256(self.text.encode()).hexdigest()

    def apply(self, frame: dict[str, Any]) -> bool:
        """False if it was known already."""
        kind = frame["type"]
        if kind == "stream.snapshot":
            self._snapshot(frame)
        elif kind == "stream.queued":
            self.waiting = frame
        elif "position" in frame and not self._advance(frame):
            return False
        if kind == "stream.delta":
            self.text, self.waiting = self.text + frame["text"], None
        elif kind in ENDINGS:
            self.end, self.waiting, self.is_over = frame, None, True
        return True

    def _advance(self, frame: dict[str, Any]) -> bool:
        position = _position(frame)
        # A snapshot of an ended answer has the position of the end, which still says how it ended.
        if position < self.position or (position == self.position and frame["type"] not in ENDINGS):
            return False
        self.position = position
        return True

    def _snapshot(self, frame: dict[str, Any]) -> None:
        """The text so far, in parts: it replaces what was there."""
        self._parts = [*(self._parts if frame["part"] else []), frame["text"]]
        if frame["last"]:
            self.text, self.position, self._parts = "".join(self._parts), _position(frame), []


def _position(frame: dict[str, Any]) -> tuple[int, int]:
    attempt, _, seq = frame["position"].partition("-")
    return int(attempt), int(seq)


def read_answer(
    site: str, key: str, stream: str, answer: Answer, *, patience_s: float = 120.0,
    open: Callable[..., Any] = urllib.request.urlopen, sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The frames that `answer` did not know, each after it was applied, until the end. Goes on from `answer.cursor`.

    Raises StreamError when refused, or after `patience_s` in which nothing could be read.
    """
    url = f"{site.rstrip('/')}/api/v1/streams/{stream}/events"
    heard_at, tries = now(), 0
    while not answer.is_over:
        wait_s = 0.0
        try:
            with open(_request(url, key, answer.cursor), timeout=SILENCE_S) as response:
                answer.is_over = response.status == 204
                for id, frame in _events(response):
                    if frame["type"] == "error":
                        wait_s = _refusal_wait(frame["error"])
                        break
                    heard_at, tries = now(), 0
                    is_new = answer.apply(frame)
                    answer.cursor = id or answer.cursor
                    if is_new:
                        yield frame
        except urllib.error.HTTPError as refused:
            with refused:
                wait_s = _refusal_wait(_problem(refused))
        except (OSError, http.client.HTTPException) as lost:
            if now() - heard_at > patience_s:
                raise StreamError(f"Nothing could be read for {patience_s:g} s: {lost!r}") from lost
        if not answer.is_over:
            if now() - heard_at > patience_s:
                raise StreamError(f"Nothing could be read for {patience_s:g} s.")
            sleep(max(wait_s, chance() * min(DELAY_MOST_S, DELAY_S * 2**tries)))
            tries += 1


def _request(url: str, key: str, cursor: str | None) -> urllib.request.Request:
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    return urllib.request.Request(url, headers=headers | ({"Last-Event-ID": cursor} if cursor else {}))


def _problem(refused: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        problem: dict[str, Any] = json.load(refused)
    except ValueError:
        problem = {"detail": f"HTTP {refused.code}"}
    return {"status": refused.code, **problem}


def _refusal_wait(problem: dict[str, Any]) -> float:
    """How long to wait after a refusal. Raises StreamError if waiting does not help."""
    if problem.get("status") not in RETRIED:
        raise StreamError(str(problem.get("detail", "refused")))
    return float(problem.get("retry_after_s") or 0)


def _events(lines: Any) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Of server-sent events the id and the frame; comments keep the connection open and say nothing."""
    id, name, data = None, "", ""
    for raw in lines:
        line = raw.decode().rstrip("\r\n")
        label, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if label == "id":
            id = value
        elif label == "event":
            name = value
        elif label == "data":
            data += value
        elif not line and data:
            yield id, {"type": name, "error": json.loads(data)} if name == "error" else json.loads(data)
            id, name, data = None, "", ""
