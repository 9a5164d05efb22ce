"""An answer as it comes, for those whose format can only add: waits, new text, the end. Over the same subscription as
the page's; what is lost on the way is healed there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial

from chat.api import conf, leaving, open_streams
from chat.api.asking import Asked, ask
from chat.api.chat_request import ChatBody
from chat.api.models import ApiKey
from chat.api.open_streams import OpenStream
from chat.api.text_fold import TextFold
from streaming.errors import Refused, StreamingError
from streaming.events import Completed, Ended, Queued, Stopped, decode


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing came for a while; it lives."""


Progress = Queued | str | Ended | Silence


def heartbeat_s() -> float:
    return conf.get().heartbeat_s


async def follow(stream: OpenStream, patience: Callable[[], float] = heartbeat_s) -> AsyncGenerator[Progress]:
    """Until the end, which is the last thing that comes; `patience()`: how long nothing may come until it says so.
    Raises StreamingError if it breaks off on our side."""
    fold = TextFold()
    while not stream.reader.exhausted:
        frames = await stream.reader.frames(patience())
        if not frames and not stream.reader.exhausted:
            yield Silence()
        text = ""
        for frame in frames:
            event = decode(frame)
            text += fold.feed(event)
            if isinstance(event, Queued | Ended):
                if text:
                    yield text
                    text = ""
                yield event
                if isinstance(event, Ended):
                    return
        if text:
            yield text
    raise stream.cut_by or StreamingError(
        "This answer cannot be read any further just now.", code="unavailable", retryable=True
    )


async def ask_and_open(key: ApiKey, body: ChatBody, idempotency_key: str | None) -> tuple[Asked, OpenStream]:
    """Accept a request and open its stream. Whenever the program goes away from now on, its answer is stopped soon
    after, unless it asked otherwise. Raises Refused."""
    with open_streams.get().room(key):  # better refused before it is written
        asking = asyncio.ensure_future(ask(key, body, idempotency_key))
        try:
            asked = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(_left_while_asking)
            raise
    leave = partial(_leave, asked)
    try:
        return asked, await open_streams.get().open(key, asked.generation, on_left=leave)
    except Refused:
        leave()  # it was accepted, but cannot be told
        raise


def _left_while_asking(asking: asyncio.Future[Asked]) -> None:
    if not asking.cancelled() and asking.exception() is None:
        _leave(asking.result())


def _leave(asked: Asked) -> None:
    if not asked.in_background:
        leaving.leave(asked.generation)


async def follow_own(stream: OpenStream, patience: Callable[[], float] = heartbeat_s) -> AsyncGenerator[Progress]:
    """The same for the program that asked, until it has the end or is gone."""
    try:
        async for progress in follow(stream, patience):
            stream.over = isinstance(progress, Ended)
            yield progress
    except StreamingError:
        stream.over = True  # it is told, and can come back
        raise
    finally:
        stream.close()


def failure(ended: Ended) -> StreamingError | None:
    """Why an answer has no proper end; None: it has one. Whoever stopped it wanted that, and has its text."""
    if isinstance(ended, Completed) or (isinstance(ended, Stopped) and not ended.code):
        return None
    if isinstance(ended, Stopped):
        return StreamingError(ended.message or "The answer was stopped.", code=ended.code)
    code = ended.code or ("expired" if ended.TYPE == "stream.expired" else "provider_failed")
    message = ended.message or (
        "This question waited too long for its turn." if code == "expired" else "The answer broke off."
    )
    return StreamingError(message, code=code, retryable=ended.retryable or code == "expired")
