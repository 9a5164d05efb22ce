"""The lanes of this site: which model belongs to which, and the one store of each in the running loop."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from streaming import conf, providers, redis_client, wake_ups
from streaming.lane_limits import LaneLimits
from streaming.lane_store import LaneStore
from streaming.limit_rules import check_limits
from streaming.per_loop import PerLoop
from streaming.providers.base import ModelEntry

_stores: Final = PerLoop(dict[tuple[Redis, str], LaneStore])


def of(entry: ModelEntry) -> str:
    """The lane of a model."""
    return entry.lane_name


def names() -> list[str]:
    """The lanes of all models that can be used here, each once."""
    return list(dict.fromkeys(of(entry) for entry in providers.catalogue() if entry.unavailable is None))


def configured(name: str) -> LaneLimits:
    """The limits that the settings give a lane: where its row begins. The first of its models that has some counts."""
    own = (entry.limits for entry in providers.catalogue() if of(entry) == name and entry.limits)
    return check_limits(conf.get().lane_limits | next(own, {}))


def store(name: str) -> LaneStore:
    """The lane of this name, over the running loop's shared client."""
    client, stores = redis_client.get(), _stores.get()
    return stores.get((client, name)) or stores.setdefault((client, name), LaneStore(client, name, wake_ups.letter))
