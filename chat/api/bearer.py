"""Who asks: the bearer key of a request, and how often it may ask."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.security import HttpBearer

from chat.api import conf, keys
from chat.api.models import ApiKey
from streaming import database, request_rates
from streaming.errors import Refused
from streaming.request_rates import Rate


class KeyAuth(HttpBearer):
    """For operations that need this scope. The key is `request.auth` afterwards."""

    openapi_name = "ApiKey"
    is_async = True

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    async def __call__(self, request: HttpRequest) -> ApiKey:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refused("Send your API key as `Authorization: Bearer sk-chat-…`.", code="missing_api_key")
        return await self.authenticate(request, token.strip())

    async def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        return await admit(token, self.scope, request)


def key_of(request: Any) -> ApiKey:
    """Whose request it is, once it was let in."""
    key: ApiKey = request.auth
    return key


async def admit(token: str, scope: str, request: Any = None) -> ApiKey:
    """The key, if it is valid, may do this, and has not asked too often. Raises Refused."""
    key = await database.call(keys.find_key, token)
    per_minute = conf.get().requests_per_minute
    taken = await request_rates.take(f"api-key:{key.pk}", Rate(per_minute, 60.0))
    if request is not None:
        request.api_rate = per_minute, taken
    if not taken.allowed:
        raise Refused(
            f"This key may ask {per_minute} times a minute.",
            code="rate_limited",
            retryable=True,
            retry_after_s=max(1.0, taken.wait_s),
        )
    keys.check_scope(key, scope)
    return key
