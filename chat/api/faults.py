"""What went wrong on our side, as programs are told it: over HTTP and over sockets, never by silence."""

from __future__ import annotations

import logging
from typing import Final

from django.db import InterfaceError, OperationalError
from redis import RedisError

from chat.api.errors import INTERNAL as SENTENCE
from streaming.errors import Refused, StreamingError

INTERNAL: Final = "internal"
_AWAY: Final = (RedisError, OSError, OperationalError, InterfaceError)
log = logging.getLogger(__name__)


def told_as(error: Exception) -> StreamingError:
    """And logs it. To be called while it is handled."""
    if isinstance(error, _AWAY):
        log.warning("a request failed: %s", type(error).__name__)
        sentence = "This is not possible right now. Try again soon."
        return Refused(sentence, code="unavailable", retryable=True, retry_after_s=2.0)
    log.exception("a request failed")
    return StreamingError(SENTENCE, code=INTERNAL)
