"""A reader of server-sent events that keeps to their specification, and one of lines; both over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2


@dataclass
class Event:
    name: str
    data: Any
    id: str | None = None


@dataclass
class Reader:
    """`text` is what somebody sees who keeps to PROTOCOL.md; `last_id` what EventSource would send."""

    response: httpx2.Response
    events: list[Event] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    text: str = ""
    last_id: str | None = None
    _parts: str = ""

    def __post_init__(self) -> None:
        self._coming = self._read()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._coming

    async def _read(self) -> AsyncIterator[Event]:
        name, data, id = "message", [], None
        async for line in self.response.aiter_lines():
            if not line:
                if data:
                    raw = "\n".join(data)
                    yield self._keep(Event(name, raw if raw == "[DONE]" else json.loads(raw), id))
                name, data, id = "message", [], None
            elif line.startswith(":"):
                self.comments.append(line[1:].strip())
            else:
                word, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if word == "event":
                    name = value
                elif word == "data":
                    data.append(value)
                elif word == "id":
                    id = value

    def _keep(self, event: Event) -> Event:
        self.events.append(event)
        self.last_id = event.id or self.last_id
        if event.name == "stream.delta":
            self.text += event.data["text"]
        elif event.name == "stream.snapshot":
            self._parts += event.data["text"]
            if event.data["last"]:
                self.text, self._parts = self._parts, ""
        return event

    async def until(self, name: str) -> Event:
        async for event in self:
            if event.name == name:
                return event
        raise AssertionError(f"no {name}: {[event.name for event in self.events]}")

    async def all(self) -> list[Event]:
        async for _ in self:
            pass
        return self.events


@asynccontextmanager
async def reading(http: httpx2.AsyncClient, path: str, **options: Any) -> AsyncIterator[Reader]:
    async with http.stream("GET", path, **options) as response:
        assert response.status_code == 200, await response.aread()
        yield Reader(response)
