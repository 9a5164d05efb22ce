"""Every command against everybody. A command without a row, or a person without a column, fails."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from chat import access, consumers, people
from chat.commands import COMMAND_TYPES
from chat.models import Conversation, Message
from streaming import database
from streaming.models import Generation
from tests.acceptance.chat_client import CommandFailed
from tests.integration.chat.factories import end, make_conversation, make_person, send
from tests.integration.chat.live_server import LiveServer, cookie_of

PEOPLE: Final = ("stranger", "ex_member", "staff", "superuser", "inactive", "viewer", "member", "owner")
NOT_FOUND: Final = dict.fromkeys(("stranger", "ex_member", "staff", "superuser"), "not_found")
READ: Final = NOT_FOUND | {"viewer": "ok", "member": "ok", "owner": "ok"}
WRITE: Final = NOT_FOUND | {"viewer": "forbidden", "member": "ok", "owner": "ok"}
AUTHOR: Final = NOT_FOUND | {"viewer": "forbidden", "member": "forbidden", "owner": "ok"}  # the owner wrote it
ALWAYS: Final = dict.fromkeys(READ, "ok")  # it only takes something away from oneself

EXPECTED: Final = {
    "message.send": WRITE,
    "message.edit": AUTHOR,
    "message.switch": WRITE,
    "message.cancel": AUTHOR,
    "generation.stop": WRITE,
    "generation.retry": WRITE,
    "stream.subscribe": READ,
    "stream.unsubscribe": ALWAYS,
    "conversation.subscribe": READ,
    "conversation.unsubscribe": ALWAYS,
    "conversation.read": READ,
    "list.subscribe": ALWAYS,
    "conversation.instruct": WRITE,
    "typing.start": WRITE,
}
#: They name nothing that could be somebody else's.
ABOUT_ONESELF: Final = {"list.subscribe"}


@dataclass
class Scene:
    cookies: dict[str, str]
    conversation: Conversation
    question: int
    running: str
    ended: str
    waiting: int | None

    def fields(self, command: str) -> dict[str, Any]:
        """What `command` needs to succeed for somebody who may."""
        generation = self.ended if command == "generation.retry" else self.running
        return {
            "message.send": {"conversation": str(self.conversation.pk), "client_message_id": "x", "text": "Hello"},
            "message.edit": {"message": self.question, "text": "Changed"},
            "message.switch": {"message": self.question},
            "message.cancel": {"message": self.waiting},
            "conversation.instruct": {"conversation": str(self.conversation.pk), "system_prompt": "Be brief."},
            "conversation.subscribe": {"conversation": str(self.conversation.pk)},
            "conversation.unsubscribe": {"conversation": str(self.conversation.pk)},
            "conversation.read": {"conversation": str(self.conversation.pk), "revision": 1},
            "list.subscribe": {},
            "typing.start": {"conversation": str(self.conversation.pk)},
        }.get(command, {"generation": generation})


def make_scene(command: str) -> Scene:
    somebody = {name: make_person(name) for name in PEOPLE}
    somebody["staff"].is_staff = somebody["superuser"].is_staff = somebody["superuser"].is_superuser = True
    for name in ("staff", "superuser"):
        somebody[name].save()
    members = [somebody[name] for name in ("member", "ex_member", "inactive")]
    conversation = make_conversation(somebody["owner"], members=members, viewers=[somebody["viewer"]])
    first = send(somebody["owner"], conversation)
    end(first.generation)
    # What makes a new version needs that nothing runs; everything else is tried on a running answer.
    running, waiting = first, None
    if command not in ("generation.retry", "message.edit"):
        running = send(somebody["owner"], conversation)
        waiting = send(somebody["owner"], conversation).message if command == "message.cancel" else None
    people.remove_participant(somebody["owner"], conversation.pk, somebody["ex_member"].pk)
    cookies = {name: cookie_of(person) for name, person in somebody.items()}
    somebody["inactive"].is_active = False
    somebody["inactive"].save()
    return Scene(cookies, conversation, first.message, str(running.generation), str(first.generation), waiting)


def footprint() -> tuple[Any, ...]:
    """All that a refused command could have changed."""
    return (
        list(Message.objects.order_by("pk").values_list("pk", "text", "state", "revision")),
        list(Conversation.objects.order_by("pk").values_list("pk", "revision")),
        list(Generation.objects.order_by("pk").values_list("pk", "status", "stop_requested_at")),
    )


def test_every_command_has_a_row_and_every_row_everybody() -> None:
    assert EXPECTED.keys() == {name for name, kind in COMMAND_TYPES.items() if kind.ANSWERED}
    for command, row in EXPECTED.items():
        assert {*row, "inactive"} == set(PEOPLE), command


@pytest.mark.parametrize("who", [name for name in PEOPLE if name != "inactive"])
@pytest.mark.parametrize("command", EXPECTED)
async def test_who_may_do_what(server: LiveServer, command: str, who: str) -> None:
    scene = await database.call(make_scene, command)
    before = await database.call(footprint)
    async with server.client(scene.cookies[who]) as client:
        try:
            answer = await client.command(command, **scene.fields(command))
            outcome = "ok"
            assert {*answer} == {"type", "id", *COMMAND_TYPES[command].RESULT}
        except CommandFailed as failed:
            outcome = failed.code
        assert outcome == EXPECTED[command][who]
        if outcome != "ok":
            assert await database.call(footprint) == before
            assert [frame["type"] for frame in client.frames] == ["hello"]
            assert not [view for view in client.streams.values() if view.text]


@pytest.mark.parametrize("who", ["inactive", "anonymous"])
async def test_nobody_without_standing_gets_to_say_anything(server: LiveServer, who: str) -> None:
    scene = await database.call(make_scene, "message.send")
    client = server.client(scene.cookies.get(who, ""))
    with pytest.raises(AssertionError, match="4501"):
        await client.connect()
    assert client.frames == []


@pytest.mark.parametrize(
    "command", [name for name in EXPECTED if not name.endswith(".unsubscribe") and name not in ABOUT_ONESELF]
)
async def test_what_is_not_yours_looks_like_what_does_not_exist(
    server: LiveServer, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await database.call(make_scene, command)
    fields = scene.fields(command)
    unknown: dict[str, Any] = {"message": 2**53 - 1} if "message" in fields else {}
    unknown |= {name: str(uuid.uuid4()) for name in ("conversation", "generation") if name in fields}
    monkeypatch.setattr(consumers, "COMMANDS_BURST", 100)
    async with server.client(scene.cookies["stranger"]) as client:
        errors = []
        for asked in (fields, fields | unknown):
            with pytest.raises(CommandFailed) as failed:
                await client.command(command, **asked)
            errors.append({**failed.value.frame, "id": 0})
        assert errors[0] == errors[1]


@pytest.mark.parametrize("who", ["anonymous", "inactive", "stranger", "ex_member"])
def test_the_gates_hold_without_any_socket(db: Any, who: str) -> None:
    scene = make_scene("message.send")
    person = AnonymousUser() if who == "anonymous" else get_user_model().objects.get(username=who)
    gates: list[tuple[Any, Any]] = [
        (access.access_conversation, scene.conversation.pk),
        (access.access_conversation, str(scene.conversation.pk)),
        (access.access_conversation, "no-uuid"),
        (access.access_generation, scene.running),
        (access.access_stream, scene.running),
        (access.access_message, scene.question),
    ]
    for gate, id in gates:
        with pytest.raises(access.NotFound):
            gate(person, id)


def test_the_right_to_a_stream_costs_one_query(db: Any, django_assert_num_queries: Any) -> None:
    scene = make_scene("message.send")
    member = scene.conversation.people.get(username="member")
    access.access_stream(member, scene.running)  # the first call of all builds the query
    with django_assert_num_queries(1):
        assert access.access_stream(member, scene.running) == scene.conversation.pk
