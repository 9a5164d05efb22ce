"""The real ASGI application under uvicorn, in a thread of the test's process, with the flags of production."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn
from django.test import Client

from streaming import fanout, redis_client
from tests.acceptance.chat_client import ChatClient

ORIGIN = "http://127.0.0.1:8000"


class RecordingClient(ChatClient):
    """Keeps every frame as it came."""

    def __init__(self, url: str, **behaviour: Any) -> None:
        super().__init__(url, **behaviour)
        self.received: list[dict[str, Any]] = []

    async def _frame(self, frame: dict[str, Any]) -> None:
        self.received.append(frame)
        await super()._frame(frame)


class Server(uvicorn.Server):
    """Ends when it is told to: uvicorn's own looks for that every tenth of a second, as long as many a test lasts."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ending.wait()


class LiveServer:
    def __init__(self) -> None:
        from chatsite.asgi import application

        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(
            application, ws="websockets-sansio", lifespan="off", ws_max_size=65_536, ws_per_message_deflate=False,
            log_config=None, timeout_graceful_shutdown=3,
        )  # fmt: skip
        self._server = Server(config)
        self._thread = threading.Thread(target=self._run, name="live server")
        self._started = threading.Event()
        self.loop: asyncio.AbstractEventLoop

    def _run(self) -> None:
        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            self._started.set()
            try:
                await self._server.serve(sockets=[self._listener])
            finally:
                await fanout.layer().flush()
                await redis_client.aclose()

        asyncio.run(serve())

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(60)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._server.ending.set)
        self._thread.join(60)
        self._listener.close()
        assert not self._thread.is_alive(), "the server did not end"

    @property
    def url(self) -> str:
        return f"ws://{self.address}/ws/v1/"

    def client(self, cookie: str = "", **behaviour: Any) -> RecordingClient:
        return RecordingClient(self.url, cookie=cookie, origin=ORIGIN, **behaviour)

    async def within(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Run a coroutine on the server's loop: to look at its state."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(*args), self.loop))


def cookie_of(user: Any) -> str:
    """Log `user` in, as a browser would be."""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"
