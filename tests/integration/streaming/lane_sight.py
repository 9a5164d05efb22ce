"""What a test of the wiring sees of the engine's lane, and does to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from streaming import dispatcher, keys, lanes
from streaming.lane_snapshot import Snapshot
from streaming.lane_values import Standing
from streaming.models import Generation
from tests.engine import LANE, Engine, ask, row, until


async def limit(**limits: Any) -> None:
    """As an administrator does; whoever may start because of it does."""
    chosen = replace(lanes.configured(LANE), **limits)
    await dispatcher.ask(LANE, lambda lane: lane.configure(chosen))


async def stop_clock() -> None:
    """No bucket refills any more."""
    await lanes.store(LANE).set_clock((await seen()).now_ms)


async def seen() -> Snapshot:
    return await lanes.store(LANE).snapshot(10)


async def running() -> int:
    return len((await seen()).running)


async def standing(generation_id: str) -> Standing | None:
    (found,) = await lanes.store(LANE).standings([generation_id])
    return found


async def waits(generation_id: str) -> Standing:
    """Once it stands in the line."""

    async def found() -> Standing | None:
        place = await standing(generation_id)
        return place if place is not None and place.state in "qp" else None

    place: Standing = await until(found)
    return place


async def leaves(generation_id: str) -> None:
    """Once the lane knows nothing of it."""

    async def gone() -> bool:
        return await standing(generation_id) is None

    await until(gone)


async def forget_lane(direct: Redis) -> None:
    """Redis loses what it knew of the lane, and only that."""
    await direct.delete(*keys.lane(LANE))


async def in_line(engine: Engine, count: int, **fields: Any) -> list[str]:
    """Generations that were asked one after the other."""
    ids = []
    for _ in range(count):
        ids.append(await ask(**fields))
        await dispatcher.enqueue(ids[-1])
    return ids


async def asked_for(engine: Engine, number: int) -> str:
    """Whose was the request of this number?"""
    call = await engine.provider.call(number)
    return call.prompt.messages[0].text.removeprefix("Answer ").removesuffix(".")


async def retried(generation_id: str) -> Generation:
    """The row, once its first try is over."""

    async def found() -> Generation | None:
        stored = await row(generation_id)
        return stored if stored.wait_reason else None

    stored: Generation = await until(found)
    return stored
