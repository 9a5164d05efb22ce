"""The list and who is here, over real sockets."""

from __future__ import annotations

from typing import Any

import pytest

from chat import changes, deletion, people, presence, revalidation, sockets
from streaming import database
from tests.integration.chat.factories import make_conversation, make_person, send
from tests.integration.chat.live_server import LiveServer, RecordingClient, cookie_of


def make() -> tuple[Any, Any, Any, str, str]:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    return ann, bob, conversation, cookie_of(ann), cookie_of(bob)


def frames(client: RecordingClient, kind: str) -> list[Any]:
    return [frame for frame in client.received if frame["type"] == kind]


async def test_a_list_comes_whole_and_then_entry_by_entry(server: LiveServer) -> None:
    _ann, bob, conversation, anns, bobs = await database.call(make)
    key = str(conversation.pk)
    async with server.client(anns) as ann, server.client(bobs) as reader, server.client(bobs) as other_tab:
        for client in (ann, reader, other_tab):
            await client.command("list.subscribe")
            await client.until(lambda client=client: frames(client, "list.changed") != [])
        first = frames(reader, "list.changed")[0]
        assert (first["complete"], first["list_head"]["count"]) == (True, 1)
        await ann.ask(key, "Hello")
        await reader.until(lambda: frames(reader, "list.changed")[-1]["entries"][0]["unread"])
        assert frames(reader, "list.changed")[-1]["entries"][0]["answering"]
        assert not frames(ann, "list.changed")[-1]["entries"][0]["unread"]
        revision = frames(reader, "list.changed")[-1]["entries"][0]["revision"]
        await reader.command("conversation.read", conversation=key, revision=revision)
        await other_tab.until(lambda: not frames(other_tab, "list.changed")[-1]["entries"][0]["unread"])
        removed = await database.call(people.remove_participant, bob, conversation.pk, bob.pk)
        await changes.carry_out(removed.after)
        await reader.until(lambda: frames(reader, "list.changed")[-1]["removed"] == [key])


async def test_the_heartbeat_tells_of_an_entry_that_was_lost(
    server: LiveServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidation, "PERIOD_S", 0.05)
    settings.STREAMING = {**settings.STREAMING, "heartbeat_idle_s": 1.0}
    ann, _bob, conversation, _, bobs = await database.call(make)
    async with server.client(bobs) as reader:
        await reader.command("list.subscribe")
        await reader.until(lambda: frames(reader, "list.changed") != [])
        total = frames(reader, "list.changed")[0]["list_head"]["total"]
        await database.call(people.rename, ann, conversation.pk, "Nobody is told of this")

        def tells() -> bool:
            beats = frames(reader, "heartbeat")
            return bool(beats) and beats[-1]["list_head"] == {"count": 1, "total": total + 1}

        await reader.until(tells)
        await reader.command("list.subscribe")
        await reader.until(lambda: frames(reader, "list.changed")[-1]["entries"][0]["title"].startswith("Nobody"))


async def test_a_deleted_conversation_says_so_and_falls_silent(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidation, "PERIOD_S", 0.2)
    ann, _bob, conversation, _, bobs = await database.call(make)
    key = str(conversation.pk)
    sent = await database.call(send, ann, conversation)
    async with server.client(bobs) as reader:
        await reader.follow(key)
        await reader.subscribe(str(sent.generation))
        deleted = await database.call(deletion.delete_conversation, ann, conversation.pk)
        await changes.carry_out(deleted.after)
        await reader.until(lambda: frames(reader, "conversation.deleted") != [])
        assert frames(reader, "conversation.deleted")[0]["user"]["id"] == ann.pk
        await reader.until(lambda: reader.frames[-1].get("code") == "forbidden")

        async def watches() -> list[set[str]]:
            return [socket.watched() for socket in sockets.get().all]

        assert await server.within(watches) == [set()]


async def test_people_see_who_is_here_until_they_are_gone(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LEAVE_S", 0.1)
    monkeypatch.setattr(presence, "PAUSE_S", 0.05)
    ann, bob, conversation, anns, bobs = await database.call(make)
    key = str(conversation.pk)

    def here(client: RecordingClient) -> list[int]:
        told = frames(client, "presence.changed")
        return told[-1]["people"] if told else []

    async with server.client(anns) as reader:
        await reader.follow(key)
        await reader.until(lambda: here(reader) == [ann.pk])
        async with server.client(bobs) as visitor, server.client(bobs) as second_tab:
            await visitor.follow(key)
            await second_tab.follow(key)
            await reader.until(lambda: here(reader) == [ann.pk, bob.pk])
            await visitor.until(lambda: here(visitor) == [ann.pk, bob.pk])
        await reader.until(lambda: here(reader) == [ann.pk])


async def test_whose_presence_was_not_heard_is_heard_a_little_later(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "AGAIN_S", 0.2)
    monkeypatch.setattr(presence, "PAUSE_S", 0.05)
    ann, bob, conversation, anns, _ = await database.call(make)
    key = str(conversation.pk)
    async with server.client(anns) as reader:
        await reader.follow(key)
        await reader.until(lambda: frames(reader, "presence.changed") != [])

        async def elsewhere() -> None:  # another process says it, and its frame is lost
            await presence.open_store().say([presence.Said(key, frozenset({bob.pk}))])

        await server.within(elsewhere)
        await reader.until(lambda: frames(reader, "presence.changed")[-1]["people"] == [ann.pk, bob.pk])


async def test_nobody_is_told_of_presence_where_one_is_alone(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await database.call(make_person)
    conversation = await database.call(make_conversation, ann)
    async with server.client(await database.call(cookie_of, ann)) as reader:
        await reader.follow(str(conversation.pk))

        async def known() -> int:
            return len(presence.get()._tabs)

        assert await server.within(known) == 0
