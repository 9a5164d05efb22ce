"""Ending tasks for good.

Before Python 3.12 `asyncio.wait_for` swallows a cancellation that arrives together with the result, and redis-py sends
every command through it: about one in ten workers never ended its pacer, and then itself, until this asked again.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

ASK_AGAIN_S: Final = 0.1


async def cancel(*tasks: asyncio.Task[Any], within_s: float = math.inf) -> bool:
    """Cancel the tasks, as often as it takes, and wait until they have ended; their results are dropped. False: after
    `within_s` there are still some that did not."""
    pending, deadline = set(tasks), asyncio.get_running_loop().time() + within_s
    while pending and asyncio.get_running_loop().time() < deadline:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ASK_AGAIN_S)
    return not pending
