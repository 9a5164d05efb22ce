"""Celery's part of sending, and what is sent."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from celery import current_app
from kombu import pools


async def forget_producers() -> None:
    """Celery's connections for sending are closed; whoever sends next gets new ones."""
    await asyncio.to_thread(pools.reset)
    current_app._pool = current_app.amqp._producer_pool = None


def body_of(message: dict[str, Any]) -> Any:
    """Of a message as it waits in the broker: [arguments, words, options]."""
    body = message["body"]
    return json.loads(base64.b64decode(body) if message["properties"]["body_encoding"] == "base64" else body)
