"""Celery's part of sending."""

from __future__ import annotations

import asyncio

from celery import current_app
from kombu import pools


async def forget_producers() -> None:
    """Celery's connections for sending are closed; whoever sends next gets new ones."""
    await asyncio.to_thread(pools.reset)
    current_app._pool = current_app.amqp._producer_pool = None
