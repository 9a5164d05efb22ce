"""However a socket ends, nothing of it stays. A server of the test's own plays the ways in which real ones end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from chat import consumers, revalidation, sockets
from chat.consumers import ChatConsumer
from streaming import database, hub
from tests.integration.chat.factories import make_conversation, make_person
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


class Server:
    """One ASGI socket: `say` what the client sends, `sent` what it got."""

    def __init__(self, user: Any) -> None:
        session = SimpleNamespace(session_key="none")
        self.scope = {"type": "websocket", "subprotocols": ["chat.v1"], "user": user, "session": session}
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.broken = False
        self.something_sent = asyncio.Event()
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(ChatConsumer()(self.scope, self.inbox.get, self.send))

    async def send(self, message: dict[str, Any]) -> None:
        if self.broken:
            raise OSError("the client is gone")
        self.sent.append(message)
        self.something_sent.set()

    def say(self, text: str) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})

    async def until_sent(self, part: str) -> None:
        async with asyncio.timeout(60):
            while not any(part in message.get("text", "") for message in self.sent):
                self.something_sent.clear()
                await self.something_sent.wait()

    async def ended(self) -> None:
        """Not `wait_for`, which would end it."""
        done, _ = await asyncio.wait({self.task}, timeout=60)
        assert done


@pytest.fixture
async def server(valkey: Valkey) -> Any:
    def make() -> tuple[Any, str]:
        ann = make_person()
        return ann, str(make_conversation(ann).pk)

    user, key = await database.call(make)
    played = Server(user)
    played.say(f'{{"type":"conversation.subscribe","id":1,"conversation":"{key}"}}')
    await played.until_sent("conversation.changed")
    yield played
    registry = sockets.get()
    assert played.task.done()
    assert not registry.all
    assert not registry._watching
    assert not hub.get()._groups[f"conversation.{key}"].members
    database.shutdown()


async def test_an_ordinary_goodbye(server: Server) -> None:
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await server.task


async def test_a_server_that_cancels(server: Server) -> None:
    server.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server.task


async def test_a_client_that_is_gone_when_something_is_sent(server: Server) -> None:
    server.broken = True
    server.say("nonsense")
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await server.task


async def test_a_receive_that_fails(server: Server) -> None:
    server.inbox.put_nowait({"no": "type"})
    with pytest.raises(KeyError):
        await server.task


async def test_a_server_that_never_notices_the_end(server: Server) -> None:
    """Closed by us, and no disconnect ever comes: the next check of rights ends it."""
    (socket,) = sockets.get().all
    await socket.connection.close(4408)
    assert not server.task.done()
    await revalidation.check(sockets.get())
    await server.ended()


async def test_a_command_that_is_running_may_finish(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    started, finish, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(self: Any, command: Any, reply: Any) -> None:
        started.set()
        await finish.wait()
        finished.set()

    monkeypatch.setattr(consumers, "FINISH_S", 60.0)  # the timer below must not come due together with it
    monkeypatch.setattr(consumers.CommandHandlers, "handle", slow)
    server.say('{"type":"typing.start","id":2,"conversation":"3f2b8c1e-0000-4000-8000-00000000000a"}')
    await started.wait()
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
    asyncio.get_running_loop().call_later(0.1, finish.set)
    await server.task
    assert finished.is_set()


async def test_a_command_that_never_ends_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(self: Any, command: Any, reply: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(consumers, "FINISH_S", 0.05)
    monkeypatch.setattr(consumers.CommandHandlers, "handle", endless)
    server.say('{"type":"typing.start","id":2,"conversation":"3f2b8c1e-0000-4000-8000-00000000000a"}')
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await server.ended()
