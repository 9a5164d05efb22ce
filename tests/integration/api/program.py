"""A program with a key of Ann's: OpenAI's own SDK, and plain HTTP beside it."""

from __future__ import annotations

from typing import Any

import httpx2
import openai

from chat.api import keys
from chat.api.models import ApiKey, ApiRequest, Scope
from streaming import services as streaming
from streaming.models import Generation
from tests.integration.chat.factories import make_person
from tests.integration.chat.live_server import LiveServer

HELLO = [{"role": "user", "content": "Hello?"}]


class Program:
    def __init__(self, server: LiveServer, user: Any, key: ApiKey, token: str) -> None:
        self.server = server
        self.user = user
        self.key = key
        self.token = token
        self.url = f"http://{server.address}"
        self.headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx2.AsyncClient(base_url=self.url, headers=self.headers, timeout=60, trust_env=False)
        self._sdks: list[openai.AsyncOpenAI] = []
        self.sdk = self.make_sdk()

    def make_sdk(self, **options: Any) -> openai.AsyncOpenAI:
        options = {"api_key": self.token, "base_url": f"{self.url}/v1", "max_retries": 0, **options}
        sdk = openai.AsyncOpenAI(http_client=httpx2.AsyncClient(trust_env=False, timeout=60), **options)
        self._sdks.append(sdk)
        return sdk

    async def aclose(self) -> None:
        await self.http.aclose()
        for sdk in self._sdks:
            await sdk.close()


def make_program(server: LiveServer, scopes: tuple[str, ...] = (Scope.READ, Scope.CHAT), user: Any = None) -> Program:
    user = user or make_person()
    made = keys.create_key(user, "test", scopes)
    return Program(server, user, made.key, made.token)


def waiting_request(key: ApiKey, model: str) -> Generation:
    """A request of this key that is accepted, and that nobody has taken up."""
    waiting = streaming.request_generation(user_id=key.user_id, model=model)
    ApiRequest.objects.create(generation=waiting, user=key.user, key=key, prompt={"x": 1}, body_hash="")
    return waiting
