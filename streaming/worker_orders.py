"""What administrators order single worker processes: to rest (take up nothing new, let what runs go on) or to work.

The order waits in Redis under the process's own name, so it ends with it at the latest; the process looks for it twice
a second. A key that is missing orders nothing: a worker that rests goes on resting after a loss of Redis.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from redis.asyncio import Redis

from streaming import keys

Order = Literal["rest", "work"]
PERIOD_S: Final = 0.5
TTL_S: Final = 86_400


async def give(client: Redis, worker_id: str, order: Order) -> None:
    await client.set(keys.worker_order(worker_id), order, ex=TTL_S)


async def read(client: Redis, worker_id: str) -> Order | None:
    """The newest order; its time begins anew, for the worker lives."""
    found: Any = await client.getex(keys.worker_order(worker_id), ex=TTL_S)
    match found:
        case b"rest":
            return "rest"
        case b"work":
            return "work"
    return None
