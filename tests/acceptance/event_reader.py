"""A program that reads an answer's events over plain HTTP and loses its connection anywhere, also within an event."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 120


@dataclass(frozen=True)
class Mark:
    """Where a reader stood: what it would send as `Last-Event-ID`, and what it showed there."""

    id: str
    text: str


class EventReader:
    def __init__(self, host: str, token: str, path: str) -> None:
        self.host = host
        self.headers = {"Authorization": f"Bearer {token}"}
        self.path = path
        self.at = Mark("", "")
        self.marks: list[Mark] = []
        self.end: dict[str, Any] | None = None
        self.restarts = 0
        self._parts = ""

    def read(self, most_bytes: int) -> None:
        """Connect, take up to `most_bytes` and cut the connection, wherever that is. `end` is set at the end."""
        self._parts = ""
        connection = http.client.HTTPConnection(self.host, timeout=TIMEOUT_S)
        try:
            given = {"Last-Event-ID": self.at.id} if self.at.id else {}
            connection.request("GET", self.path, headers={**self.headers, **given})
            response = connection.getresponse()
            if response.status == 503:  # the web process ends; another one has the rest
                self.restarts += 1
                return
            assert response.status == 200, (response.status, response.read())
            self._take(response, most_bytes)
        except (ConnectionError, http.client.HTTPException):
            self.restarts += 1
        finally:
            connection.close()

    def _take(self, response: http.client.HTTPResponse, most_bytes: int) -> None:
        raw = b""
        while len(raw) < most_bytes and (piece := response.read1(most_bytes - len(raw))):
            raw += piece
            *whole, rest = raw.split(b"\n\n")
            for event in whole:
                self._apply(event.decode())
            most_bytes -= len(raw) - len(rest)
            raw = rest
            if self.end is not None:
                return

    def _apply(self, event: str) -> None:
        fields = dict(line.split(": ", 1) for line in event.split("\n") if not line.startswith(":"))
        if "data" not in fields:
            return
        data, text = json.loads(fields["data"]), self.at.text
        if fields["event"] == "stream.delta":
            text += data["text"]
        elif fields["event"] == "stream.snapshot":
            self._parts += data["text"]
            text = self._parts if data["last"] else text
        elif fields["event"] == "error":
            self.restarts += 1
        elif "sha256" in data:
            self.end = data
        if "id" in fields:
            self.at = Mark(fields["id"], text)
            self.marks.append(self.at)

    def go_back(self, mark: Mark) -> None:
        """As if it had been cut there, and nothing after it had come."""
        self.at, self.end = mark, None
