"""Names and messages on the channel layer. The layer is the fast path only: any message may be lost, doubled or late.

The append script publishes by itself, so it needs the layer's own channel name and the layer's own serialisation.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, Literal

from channels.layers import get_channel_layer
from redis import RedisError

from streaming.events import Position

Kind = Literal["d", "b", "o", "x"]
"""d: text · b: a block · o: another durable event · x: the terminal event"""

BROADCAST_TIMEOUT_S: Final = 2.0
log = logging.getLogger(__name__)


def layer() -> Any:
    """The site's channel layer; `checks` made sure that it is the publish/subscribe one."""
    return get_channel_layer()


def boards_group() -> str:
    """Where the lanes' boards go: {"type": "lane.board", "g": "lanes", "f": Board.encode()}."""
    return "lanes"


def stream_group(generation_id: str) -> str:
    return f"stream.{generation_id}"


def group_channel(group: str) -> str:
    """The pub/sub channel on which the layer carries `group` (a test compares it with the layer's own answer)."""
    prefix = layer()._kwargs.get("prefix", "asgi")
    return f"{prefix}__group__{group}"


def stream_message(group: str, position: Position, kind: Kind, epoch: str, frame: str) -> bytes:
    """A durable event as the layer would serialise it. An empty epoch says nothing about the log."""
    return serialize(
        {"type": "stream.event", "g": group, "a": position[0], "s": position[1], "k": kind, "e": epoch, "f": frame}
    )


def serialize(message: dict[str, Any]) -> bytes:
    encoded: bytes = layer().serialize(message)
    return encoded


async def broadcast(group: str, frame: str) -> bool:
    """Fan out an ephemeral frame. Never raises; False if the layer is away."""
    return await send(group, {"type": "stream.frame", "g": group, "f": frame})


async def announce(group: str, position: Position, frame: str) -> bool:
    """Fan out a terminal event that no log holds, because no worker runs. Its row is the authority."""
    message = {"type": "stream.event", "g": group, "a": position[0], "s": position[1], "k": "x", "e": "", "f": frame}
    return await send(group, message)


async def send(group: str, message: dict[str, Any]) -> bool:
    try:
        async with asyncio.timeout(BROADCAST_TIMEOUT_S):
            await layer().group_send(group, message)
    except (TimeoutError, RedisError, OSError) as error:
        log.warning("fan-out to %s failed: %s", group, type(error).__name__)
        return False
    return True
