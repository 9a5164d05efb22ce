"""`/v1/chat/stream` (server-sent events) and `/v1/chat/stream/json` (lines of JSON): the events of `chat_events`, with
text in the pieces that the program wants. `socket.py` has the same over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field

from chat.api import chat_events, sse
from chat.api.asking import Asked
from chat.api.bearer import KeyAuth, key_of
from chat.api.chat_events import Event
from chat.api.chat_request import ChatBody
from chat.api.completions import IdempotencyKey, cached_tokens
from chat.api.following import Progress, Silence, ask_and_open, failure, follow_own, heartbeat_s
from chat.api.models import ApiKey, Scope
from chat.api.open_streams import OpenStream
from chat.api.openapi import CHAT_LINES, CHAT_STREAM, OPENAI_PROBLEMS
from chat.api.rechunker import Buffer, Rechunker
from chat.api.responses import NDJSON, SSE, stream_response
from streaming.errors import StreamingError
from streaming.events import Queued

router = Router(tags=["Streaming"])
INTERVAL_MS: Final = 250


class BufferOptions(BaseModel):
    """`by`: one word or sentence per piece, `size` characters, or all that came in `interval_ms`. With the others
    `interval_ms` is the longest that anything is kept back."""

    model_config = ConfigDict(extra="forbid", strict=True)
    by: Literal["none", "word", "sentence", "size", "interval"] = "none"
    size: int = Field(default=80, ge=1, le=10_000)
    interval_ms: int | None = Field(default=None, ge=10, le=10_000)

    def chosen(self) -> Buffer:
        interval_ms = self.interval_ms or (INTERVAL_MS if self.by == "interval" else None)
        return Buffer(self.by, self.size, interval_ms / 1000 if interval_ms else None)


class ChatStreamBody(ChatBody):
    buffer: BufferOptions | None = None


@router.post("/chat/stream", auth=KeyAuth(Scope.CHAT), operation_id="stream_chat", openapi_extra=CHAT_STREAM,
             response=OPENAI_PROBLEMS)  # fmt: skip
async def stream_chat(
    request: HttpRequest, body: ChatStreamBody, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """Ask a model; the answer comes as server-sent events: `stream_start`, `waiting`, `text`, then `stream_end` or
    `error`, then `[DONE]`."""
    asked, events = await begin(key_of(request), body, idempotency_key)
    return stream_response(_as_events(events), SSE, {"X-Stream-Id": asked.generation})


@router.post("/chat/stream/json", auth=KeyAuth(Scope.CHAT), operation_id="stream_chat_lines", openapi_extra=CHAT_LINES,
             response=OPENAI_PROBLEMS)  # fmt: skip
async def stream_chat_lines(
    request: HttpRequest, body: ChatStreamBody, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """The same as lines of JSON, one event each. An empty line is a sign of life."""
    asked, events = await begin(key_of(request), body, idempotency_key)
    return stream_response(_as_lines(events), NDJSON, {"X-Stream-Id": asked.generation})


async def _as_events(events: AsyncGenerator[Event | None]) -> AsyncGenerator[str]:
    async with aclosing(events):
        async for event in events:
            yield sse.comment("waiting") if event is None else sse.event(event["type"], sse.compact(event))
        yield sse.DONE


async def _as_lines(events: AsyncGenerator[Event | None]) -> AsyncGenerator[str]:
    async with aclosing(events):
        async for event in events:
            yield "\n" if event is None else sse.compact(event) + "\n"


async def begin(
    key: ApiKey, body: ChatStreamBody, idempotency_key: str | None = None
) -> tuple[Asked, AsyncGenerator[Event | None]]:
    """Accept a request; its events, None for a sign of life. Raises Refused; then nothing was queued."""
    asked, stream = await ask_and_open(key, body, idempotency_key)
    return asked, _events(asked, stream, Rechunker((body.buffer or BufferOptions()).chosen()))


async def _events(asked: Asked, stream: OpenStream, pieces: Rechunker) -> AsyncGenerator[Event | None]:
    now = asyncio.get_running_loop().time

    def patience() -> float:
        wait_s = pieces.wait_s(now())
        return heartbeat_s() if wait_s is None else min(wait_s, heartbeat_s())

    async with aclosing(follow_own(stream, patience)) as progress:
        try:
            yield chat_events.start(asked.generation, asked.model, int(asked.created_at.timestamp()))
            async for step in progress:
                for event in await _told(step, pieces, now()):
                    yield event
        except StreamingError as error:
            yield chat_events.error(error)


async def _told(step: Progress, pieces: Rechunker, now: float) -> list[Event | None]:
    if isinstance(step, str):
        return [chat_events.text(piece) for piece in pieces.feed(step, now)]
    if isinstance(step, Queued):
        return [chat_events.waiting(step)]
    if isinstance(step, Silence):
        late: list[Event | None] = [chat_events.text(piece) for piece in pieces.late(now)]
        return late or [None]
    error = failure(step)
    last = chat_events.error(error) if error else chat_events.end(step, await cached_tokens(step))
    return [*(chat_events.text(piece) for piece in pieces.flush()), last]
