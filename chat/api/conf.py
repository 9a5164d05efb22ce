"""The API's settings, read in one place. Each is overridden by a key of the same name in `settings.API`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed


@dataclass(frozen=True, slots=True)
class ApiSettings:
    #: Of one key, over all web processes: in the long run, and at once.
    requests_per_minute: int = 120
    #: A larger body is refused without being read as JSON.
    body_max_bytes: int = 2_097_152
    #: How long an answer of `/v1` goes on when its program is gone and did not ask for that.
    grace_s: float = 10.0
    #: A sign of life on a silent stream.
    heartbeat_s: float = 15.0
    #: Streams that one key may read at once in one web process.
    streams_per_key: int = 50


@lru_cache(maxsize=1)
def get() -> ApiSettings:
    """The settings of this process. Raises TypeError for a key that does not exist."""
    return ApiSettings(**getattr(settings, "API", {}))


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "API":
        get.cache_clear()


setting_changed.connect(_forget)
