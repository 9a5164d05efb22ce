"""`/v1/chat/ws`: one JSON request, then the events of `chat_events`, one per text frame, then the close.

The key comes with the handshake (`Authorization: Bearer …`) or, where headers cannot be set, as `api_key` in the
request. It is no session, so the origin of a page does not matter: whoever has the key may use it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

from pydantic import ValidationError

from chat.api import chat_events, faults, sse
from chat.api.bearer import admit
from chat.api.chat_stream import ChatStreamBody, begin
from chat.api.errors import Invalid
from chat.api.models import ApiKey, Scope
from chat.strict_json import BadJson, parse_object
from streaming.cancellation import cancel
from streaming.errors import Refused, StreamingError

REQUEST_TIMEOUT_S: Final = 30.0
SEND_TIMEOUT_S: Final = 60.0
DEPTH_MAX: Final = 32
CLOSE_NORMAL: Final = 1000
CLOSE_RESTART: Final = 1012
CLOSE_REFUSED: Final = 4400
Connection = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
log = logging.getLogger(__name__)


class Gone(Exception):
    """The client closed."""


async def chat_socket(scope: Connection, receive: Receive, send: Send) -> None:
    """The ASGI application, once per socket."""
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    try:
        await _serve(scope, receive, send)
    except Gone:
        pass
    except OSError as error:  # uvicorn's word for a client that is gone
        log.debug("a socket ended: %r", error)


async def _serve(scope: Connection, receive: Receive, send: Send) -> None:
    try:
        key, body = await _request(scope, receive)
        _, events = await begin(key, body)
    except Gone:
        raise
    except Exception as error:
        told = error if isinstance(error, StreamingError) else faults.told_as(error)
        await _say(send, chat_events.error(told))
        await send({"type": "websocket.close", "code": CLOSE_REFUSED})
        return
    answering = asyncio.create_task(_answer(events, send), name="answer over a socket")
    leaving = asyncio.create_task(_left(receive), name="watch over a socket")
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        await cancel(answering, leaving)


async def _answer(events: Any, send: Send) -> None:
    code = CLOSE_NORMAL
    async with aclosing(events):
        async for event in events:
            if event is not None:  # the server's own pings are the sign of life
                await _say(send, event)
                code = CLOSE_RESTART if event.get("code") == "restarting" else CLOSE_NORMAL
    await send({"type": "websocket.close", "code": code})


async def _say(send: Send, event: chat_events.Event) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send({"type": "websocket.send", "text": sse.compact(event)})


async def _left(receive: Receive) -> None:
    """Returns when the client is gone; what else it says is not read."""
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _request(scope: Connection, receive: Receive) -> tuple[ApiKey, ChatStreamBody]:
    """Raises Refused and Gone."""
    text = await _first_frame(receive)
    try:
        fields = parse_object(text, depth=DEPTH_MAX)
    except BadJson as bad:
        raise Refused(bad.message, code="invalid_json") from None
    token = _bearer(scope) or fields.pop("api_key", None)
    if not isinstance(token, str) or not token:
        raise Refused("Send your API key as a header or as `api_key`.", code="missing_api_key")
    key = await admit(token, Scope.CHAT)
    try:
        return key, ChatStreamBody.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(map(str, first["loc"]))
        raise Invalid(f"{param or 'The request'}: {first['msg']}.", param=param or None) from None


async def _first_frame(receive: Receive) -> str:
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            message = await receive()
    except TimeoutError:
        raise Refused(f"No request came within {REQUEST_TIMEOUT_S:g} s.", code="timeout") from None
    if message["type"] == "websocket.disconnect":
        raise Gone
    text = message.get("text")
    if not isinstance(text, str):
        raise Refused("A request is text, not binary.", code="invalid_json")
    return text


def _bearer(scope: Connection) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return str(value[7:].decode("latin-1").strip())
    return None
