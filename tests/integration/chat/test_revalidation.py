from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from chat import changes, people, revalidation, sockets
from chat.models import Conversation, Participant
from streaming import database, fanout
from streaming.events import Queued, encode
from tests.acceptance.chat_client import CommandFailed
from tests.integration.chat.factories import make_conversation, make_person, send
from tests.integration.chat.live_server import LiveServer, cookie_of


@dataclass
class Scene:
    ann: Any
    bob: Any
    cookie: str
    other_cookie: str
    conversation: Conversation
    generation: str


def make_scene() -> Scene:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    generation = send(ann, conversation).generation
    return Scene(ann, bob, cookie_of(bob), cookie_of(ann), conversation, str(generation))


def log_out(scene: Scene) -> None:
    client = Client()
    client.cookies["sessionid"] = scene.cookie.partition("=")[2]
    client.logout()


def deactivate(scene: Scene) -> None:
    get_user_model().objects.filter(pk=scene.bob.pk).update(is_active=False)


def change_password(scene: Scene) -> None:
    scene.bob.set_password("another secret")
    scene.bob.save()


def delete_session(scene: Scene) -> None:
    Session.objects.filter(session_key=scene.cookie.partition("=")[2]).delete()


def let_session_expire(scene: Scene) -> None:
    Session.objects.filter(session_key=scene.cookie.partition("=")[2]).update(expire_date=timezone.now())


def delete_person(scene: Scene) -> None:
    scene.bob.delete()


@pytest.mark.parametrize(
    "withdraw", [log_out, deactivate, change_password, delete_session, let_session_expire, delete_person]
)
async def test_an_ended_session_closes_its_sockets(
    server: LiveServer, withdraw: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if withdraw is not log_out:  # one of them at the real pace is enough
        monkeypatch.setattr(revalidation, "PERIOD_S", 0.2)
    scene = await database.call(make_scene)
    async with server.client(scene.cookie) as bob, server.client(scene.other_cookie) as ann:
        await bob.follow(str(scene.conversation.pk))
        await database.call(withdraw, scene)
        assert await bob.closed(timeout_s=5) == 4501
        again = server.client(scene.cookie)
        with pytest.raises(AssertionError, match="4501"):
            await again.connect()
        assert ann.close_code is None


async def test_a_removed_member_hears_nothing_more_within_five_seconds(server: LiveServer) -> None:
    scene = await database.call(make_scene)
    key = str(scene.conversation.pk)
    async with server.client(scene.cookie) as bob, server.client(scene.other_cookie) as ann:
        for client in (bob, ann):
            await client.follow(key)
            await client.subscribe(scene.generation)
        # As an administrator's bulk update would: no service, no signal.
        await database.call(Participant.objects.filter(user=scene.bob).delete)
        await bob.until(lambda: bob.frames[-1].get("code") == "forbidden", timeout_s=5)
        assert bob.frames[-1]["conversation"] == key

        count = len(bob.received)
        said = encode(Queued(generation=scene.generation, reason="starting", message="to those who may know"))
        await fanout.broadcast(fanout.stream_group(scene.generation), said)
        await changes.carry_out(await database.call(people.rename, scene.ann, scene.conversation.pk, "Without Bob"))
        await ann.until(lambda: ann.conversations[key]["title"] == "Without Bob")
        await ann.until(lambda: json.loads(said) in ann.received)
        for command, fields in (
            ("conversation.subscribe", {"conversation": key}),
            ("stream.subscribe", {"generation": scene.generation}),
            ("stream.subscribe", {"generation": scene.generation, "after": "1-1", "epoch": "e"}),
        ):
            with pytest.raises(CommandFailed, match="not_found"):
                await bob.command(command, **fields)
        assert {frame["type"] for frame in bob.received[count:]} - {"heartbeat"} == {"error"}
        assert bob.close_code is None


async def test_other_conversations_of_a_removed_member_go_on(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidation, "PERIOD_S", 0.2)
    scene = await database.call(make_scene)
    own = await database.call(make_conversation, scene.bob)
    async with server.client(scene.cookie) as bob:
        await bob.follow(str(scene.conversation.pk))
        await bob.follow(str(own.pk))
        await database.call(Participant.objects.filter(user=scene.bob, conversation=scene.conversation).delete)
        await bob.until(lambda: bob.frames[-1].get("code") == "forbidden", timeout_s=5)
        await bob.ask(str(own.pk), "Hello")
        await bob.until(lambda: bob.conversations[str(own.pk)]["revision"] == own.revision + 1)


async def test_a_change_whose_frame_was_lost_shows_in_the_heartbeat(
    server: LiveServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidation, "PERIOD_S", 0.2)
    settings.STREAMING = {**settings.STREAMING, "heartbeat_idle_s": 1.0}
    scene = await database.call(make_scene)
    key = str(scene.conversation.pk)
    async with server.client(scene.cookie) as bob:
        known = (await bob.follow(key))["revision"]
        await database.call(people.rename, scene.ann, scene.conversation.pk, "Changed")

        def tells() -> bool:
            told = [frame["conversations"] for frame in bob.frames if frame["type"] == "heartbeat"]
            return bool(told) and told[-1] == [{"conversation": key, "revision": known + 1}]

        await bob.until(tells, timeout_s=8)


async def test_the_check_costs_the_same_few_queries_for_any_number_of_sockets(
    server: LiveServer, django_assert_num_queries: Any
) -> None:
    scene = await database.call(make_scene)
    async with server.client(scene.cookie) as bob, server.client(scene.other_cookie) as ann:
        for client in (bob, ann):
            await client.follow(str(scene.conversation.pk))

        async def asked() -> tuple[list[str], list[int], list[str]]:
            every = sockets.get().all
            keys = [socket.session_key for socket in every]
            return keys, [socket.user.pk for socket in every], [str(scene.conversation.pk)]

        question = await server.within(asked)

        def count() -> revalidation.Standing:
            with django_assert_num_queries(3):
                return revalidation.read_standing(*question)

        standing = await database.call(count)
        assert len(standing.sessions) == len(standing.passwords) == len(standing.revisions) == 2


async def test_what_is_opened_while_the_database_is_asked_is_left_alone(server: LiveServer) -> None:
    """The answer is about what was asked: a subscription that is newer than the question is not in it."""
    scene = await database.call(make_scene)
    key = str(scene.conversation.pk)
    async with server.client(scene.cookie) as bob:

        async def check_in_between() -> bool:
            registry = sockets.get()
            (socket,) = registry.all
            nothing = revalidation.Standing({socket.session_key}, {socket.user.pk: socket.user.password}, {})
            revalidation._judge(registry, socket, set(), nothing)
            return key in socket.conversations

        await bob.follow(key)
        assert await server.within(check_in_between)


async def test_a_database_that_is_away_cuts_nobody(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()
    here = asyncio.get_running_loop()

    def broken(*_: Any) -> Any:
        here.call_soon_threadsafe(asked.set)
        raise OSError("away")

    scene = await database.call(make_scene)
    monkeypatch.setattr(revalidation, "PERIOD_S", 0.1)
    monkeypatch.setattr(revalidation, "read_standing", broken)
    async with server.client(scene.cookie) as bob:
        await asyncio.wait_for(asked.wait(), 60)
        await bob.follow(str(scene.conversation.pk))
