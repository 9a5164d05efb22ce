from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from chat import changes, command_handlers, consumers, people, sockets
from chat.commands import StartTyping
from chat.models import Message
from streaming import database
from streaming import services as streaming
from tests.acceptance.chat_client import ChatClient, CommandFailed
from tests.integration.chat.factories import end, make_conversation, make_person, send
from tests.integration.chat.live_server import ORIGIN, LiveServer, cookie_of


async def in_database(function: Any, *args: Any, **fields: Any) -> Any:
    return await database.call(function, *args, **fields)


async def make_owner() -> tuple[Any, Any, str]:
    """A person with a conversation, and the cookie of a session."""

    def make() -> tuple[Any, Any, str]:
        ann = make_person(first_name="Ann")
        return ann, make_conversation(ann), cookie_of(ann)

    made: tuple[Any, Any, str] = await in_database(make)
    return made


async def refusal(client: ChatClient, kind: str, /, **fields: Any) -> str:
    with pytest.raises(CommandFailed) as failed:
        await client.command(kind, **fields)
    return failed.value.code


async def test_hello_comes_first_and_names_the_limits(server: LiveServer) -> None:
    ann, _, cookie = await make_owner()
    async with server.client(cookie) as client:
        hello = client.frames[0]
        assert (hello["type"], hello["protocol"]) == ("hello", 1)
        assert hello["user"] == {"id": ann.pk, "name": "Ann"}
        assert hello["limits"] == {
            "frame_bytes": 65_536, "message_chars": 32_000, "subscriptions": 20, "window_bytes": 262_144,
        }  # fmt: skip


async def test_nobody_gets_further_than_a_code_without_a_session(server: LiveServer) -> None:
    for cookie in ("", "sessionid=nonsense"):
        async with connect(
            server.url, origin=Origin(ORIGIN), additional_headers={"Cookie": cookie},
            subprotocols=[Subprotocol("chat.v1")], proxy=None,
        ) as socket:  # fmt: skip
            await socket.wait_closed()
            assert socket.close_code == 4501


async def test_inactive_people_do_not_get_in(server: LiveServer) -> None:
    ann, _, cookie = await make_owner()
    ann.is_active = False
    await in_database(ann.save)
    client = server.client(cookie)
    with pytest.raises(AssertionError, match="4501"):
        await client.connect()


@pytest.mark.parametrize("subprotocols", [None, ["chat.v2"], ["graphql-ws", "CHAT.V1"]])
async def test_a_wrong_subprotocol_is_refused_before_the_handshake(server: LiveServer, subprotocols: Any) -> None:
    _, _, cookie = await make_owner()
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            server.url,
            origin=Origin(ORIGIN),
            additional_headers={"Cookie": cookie},
            subprotocols=subprotocols,
            proxy=None,
        )
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://127.0.0.1:8001", "https://127.0.0.1:8000", "http://127.0.0.1", "http://127.0.0.1.evil.com:8000",
     "http://evil.com", "http://sub.localhost:8000"],
)  # fmt: skip
async def test_the_whole_origin_counts(server: LiveServer, origin: str | None) -> None:
    _, _, cookie = await make_owner()
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            server.url, origin=Origin(origin) if origin else None, additional_headers={"Cookie": cookie},
            subprotocols=[Subprotocol("chat.v1")], proxy=None,
        )  # fmt: skip
    assert refused.value.response.status_code == 403


async def test_only_so_many_sockets_per_person(server: LiveServer) -> None:
    _, _, cookie = await make_owner()
    clients = [server.client(cookie) for _ in range(sockets.SOCKETS_PER_USER)]
    for client in clients:
        await client.connect()
    with pytest.raises(AssertionError, match="4504"):
        await server.client(cookie).connect()
    await clients.pop().close()
    async with server.client(cookie):
        pass
    for client in clients:
        await client.close()


async def test_a_message_is_answered_and_told_to_all_who_watch(server: LiveServer) -> None:
    ann, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    async with server.client(cookie) as one, server.client(cookie) as other:
        await one.follow(key)
        await other.follow(key)
        answer = await one.command("message.send", conversation=key, client_message_id="c-1", text="Hello")
        for client in (one, other):
            await client.until(lambda client=client: answer["message"] in client.conversations[key]["messages"])
            message = client.conversations[key]["messages"][answer["message"]]
            assert (message["text"], message["author"]["id"]) == ("Hello", ann.pk)


async def test_twenty_parallel_repeats_get_twenty_equal_answers(server: LiveServer) -> None:
    _, conversation, cookie = await make_owner()
    clients = [server.client(cookie) for _ in range(4)]
    for client in clients:
        await client.connect()
    fields = {"conversation": str(conversation.pk), "client_message_id": "once", "text": "Hello"}
    answers = await asyncio.gather(
        *(client.command("message.send", **fields) for client in clients for _ in range(5))
    )  # fmt: skip
    assert len({(answer["message"], answer["generation"]) for answer in answers}) == 1
    assert await in_database(Message.objects.filter(role="user").count) == 1
    for client in clients:
        await client.close()


async def test_two_tabs_see_the_same_order(server: LiveServer) -> None:
    _, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    async with server.client(cookie) as one, server.client(cookie) as other:
        for client in (one, other):
            await client.follow(key)
        sends = [
            client.command("message.send", conversation=key, client_message_id=str(uuid.uuid4()), text=str(number))
            for number in range(3)
            for client in (one, other)
        ]
        answers = await asyncio.gather(*sends)
        newest = max(answer["message"] for answer in answers)
        for client in (one, other):
            await client.until(lambda client=client: client.conversations[key]["revision"] >= 7)
            assert newest in client.conversations[key]["messages"]
        assert sorted(one.conversations[key]["messages"]) == sorted(other.conversations[key]["messages"])
        assert one.conversations[key]["messages"] == other.conversations[key]["messages"]


async def test_who_was_away_gets_what_changed_meanwhile(server: LiveServer) -> None:
    ann, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    client = server.client(cookie)
    await client.connect()
    whole = await client.follow(key)
    await client.drop()
    sent = await in_database(send, ann, conversation, "while you were away")
    await client.connect()
    await client.follow(key)
    changed = client.frames[-1]
    assert changed["type"] == "conversation.changed"
    assert "complete" not in changed
    assert changed["messages"][0]["id"] == sent.message
    assert changed["revision"] == whole["revision"] == client.conversations[key]["revision"]
    await client.close()


async def test_a_revision_from_the_future_gets_everything(server: LiveServer) -> None:
    _, conversation, cookie = await make_owner()
    async with server.client(cookie) as client:
        await client.command("conversation.subscribe", conversation=str(conversation.pk), since=2**53 - 1)
        await client.until(lambda: client.frames[-1]["type"] == "conversation.changed")
        assert client.frames[-1]["complete"] is True


async def test_a_waiting_message_begins_when_the_running_answer_ends(server: LiveServer) -> None:
    _, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    async with server.client(cookie) as client:
        await client.follow(key)
        first = await client.command("message.send", conversation=key, client_message_id="1", text="One")
        second = await client.command("message.send", conversation=key, client_message_id="2", text="Two")
        assert second["generation"] is None
        await streaming.announce(await in_database(end, first["generation"], "The answer."))
        messages = client.conversations[key]["messages"]
        await client.until(lambda: messages.get(second["message"], {}).get("state") == "sent")
        assert [m["text"] for m in messages.values() if m["role"] == "assistant"] == ["The answer.", ""]


async def test_stopping_a_waiting_answer_ends_it_for_all(server: LiveServer) -> None:
    _, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    async with server.client(cookie) as one, server.client(cookie) as other:
        await one.follow(key)
        generation = await one.ask(key, "Hello")
        await one.subscribe(generation)
        assert (await other.command("generation.stop", generation=generation))["status"] == "stopped"
        assert (await one.ended(generation)).text == ""
        messages = one.conversations[key]["messages"]
        await one.until(
            lambda: [m for m in messages.values() if m["generation"]][-1]["generation"]["status"] == "stopped"
        )
        retried = await one.command("generation.retry", generation=generation)
        assert retried["generation"] != generation


async def test_somebody_who_types_is_shown_to_others_and_not_too_often(server: LiveServer) -> None:
    ann, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    async with server.client(cookie) as one, server.client(cookie) as other:
        await other.follow(key)
        for _ in range(3):
            await one.command("typing.start", conversation=key)
        await other.until(lambda: other.frames[-1]["type"] == "typing.started")
        assert other.frames[-1]["user"] == {"id": ann.pk, "name": "Ann"}
        await one.ask(key, "Hello")
        await other.until(lambda: other.conversations[key]["revision"] == 2)
        assert len([frame for frame in other.frames if frame["type"] == "typing.started"]) == 1


async def test_subscriptions_are_bounded(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "COMMANDS_BURST", 100)
    ann, _, cookie = await make_owner()
    ids = await in_database(lambda: [str(make_conversation(ann).pk) for _ in range(21)])
    async with server.client(cookie) as client:
        for key in ids[:20]:
            await client.command("conversation.subscribe", conversation=key)
        assert await refusal(client, "conversation.subscribe", conversation=ids[20]) == "too_many"
        await client.command("conversation.unsubscribe", conversation=ids[0])
        await client.command("conversation.subscribe", conversation=ids[20])


async def test_streams_are_bounded(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_handlers, "STREAMS_PER_SOCKET", 2)
    ann, _, cookie = await make_owner()
    ids = await in_database(lambda: [str(send(ann, make_conversation(ann)).generation) for _ in range(3)])
    async with server.client(cookie) as client:
        for generation in (ids[0], ids[1], ids[1]):
            await client.subscribe(generation)
        assert await refusal(client, "stream.subscribe", generation=ids[2]) == "too_many"
        await client.command("stream.unsubscribe", generation=ids[0])
        await client.subscribe(ids[2])
        # What has ended is not watched any more.
        await streaming.announce(await in_database(end, ids[2]))
        await client.ended(ids[2])
        await client.subscribe(ids[0])


async def test_no_live_frame_overtakes_the_state_it_changes(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that happens after the state was read and before it was sent comes after it."""
    ann, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    read_changes, told = command_handlers._read_changes, threading.Event()

    def read_then_rename(*args: Any) -> Any:
        state = read_changes(*args)
        after = people.rename(ann, conversation.pk, "Renamed meanwhile")
        asyncio.run_coroutine_threadsafe(changes.carry_out(after), server.loop).result(5)
        told.wait(5)
        return state

    receive = command_handlers._Feed.receive

    def note(self: Any, message: dict[str, Any]) -> None:
        receive(self, message)
        told.set()

    monkeypatch.setattr(command_handlers, "_read_changes", read_then_rename)
    monkeypatch.setattr(command_handlers._Feed, "receive", note)
    async with server.client(cookie) as client:
        await client.command("conversation.subscribe", conversation=key)
        await client.until(lambda: len(client.frames) >= 3)
        assert told.is_set()
        assert [frame.get("revision") for frame in client.frames[1:]] == [1, 2]


async def test_too_many_commands_end_the_connection(server: LiveServer) -> None:
    _, conversation, cookie = await make_owner()
    async with server.client(cookie) as client:
        for number in range(consumers.COMMANDS_BURST + 10):
            await client.send_raw(f'{{"type":"typing.start","id":{number},"conversation":"{conversation.pk}"}}')
        assert await client.closed() == 4429


async def test_acks_and_pongs_do_not_count_as_commands(server: LiveServer) -> None:
    _, _, cookie = await make_owner()
    async with server.client(cookie) as client:
        for _ in range(100):
            await client.send_raw('{"type":"pong"}')
            await client.send_raw('{"type":"ack","n":1}')
        assert await refusal(client, "generation.stop", generation=str(uuid.uuid4())) == "not_found"


async def test_a_flood_of_acks_ends_the_connection(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "ACKS_BURST", 50)
    _, _, cookie = await make_owner()
    async with server.client(cookie) as client:
        for _ in range(500):
            await client.send_raw('{"type":"ack","n":1}')
            if client.close_code is not None:
                break
        assert await client.closed() == 4429


async def test_commands_of_one_socket_happen_in_order(server: LiveServer) -> None:
    _, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    async with server.client(cookie) as client:
        sends = [
            client.command("message.send", conversation=key, client_message_id=f"c{number}", text=f"{number}")
            for number in range(6)
        ]
        answers = await asyncio.gather(*sends)
        assert [answer["message"] for answer in answers] == sorted(answer["message"] for answer in answers)


async def test_a_slow_command_does_not_hold_up_pongs(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    here, pong_seen, finish = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    _, conversation, cookie = await make_owner()

    async def slow(self: Any, command: Any, reply: Any) -> None:
        await asyncio.to_thread(finish.wait, 10)
        reply()

    monkeypatch.setitem(command_handlers._HANDLERS, StartTyping, slow)
    monkeypatch.setattr(consumers.Connection, "pong", lambda self: here.call_soon_threadsafe(pong_seen.set))
    async with server.client(cookie) as client:
        waiting = asyncio.create_task(client.command("typing.start", conversation=str(conversation.pk)))
        await client.send_raw('{"type":"pong"}')
        await asyncio.wait_for(pong_seen.wait(), 60)
        assert not waiting.done()
        finish.set()
        await waiting


async def test_a_fault_in_a_command_is_an_error_frame_and_one_line(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: Any, command: Any, reply: Any) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setitem(command_handlers._HANDLERS, StartTyping, broken)
    _, conversation, cookie = await make_owner()
    caplog.set_level(logging.INFO)
    async with server.client(cookie) as client:
        assert await refusal(client, "typing.start", conversation=str(conversation.pk)) == "internal"
        assert await client.follow(str(conversation.pk))  # it lives on
    (line,) = [record for record in caplog.records if record.name == "chat.consumers"]
    assert "ZeroDivisionError" in line.getMessage()
    assert line.exc_info is None


async def test_nothing_is_left_when_sockets_are_gone(server: LiveServer) -> None:
    _, conversation, cookie = await make_owner()
    key = str(conversation.pk)
    for ending in ("close", "drop"):
        client = server.client(cookie)
        await client.connect()
        await client.follow(key)
        generation = await client.ask(key, "Hello")
        if generation is not None:
            await client.subscribe(generation)
        await getattr(client, ending)()

    async def everything_is_gone() -> bool:
        registry = sockets.get()
        for _ in range(100):
            if not (registry.all or registry._watching or registry._per_user):
                return True
            await asyncio.sleep(0.05)
        return False

    assert await server.within(everything_is_gone)
