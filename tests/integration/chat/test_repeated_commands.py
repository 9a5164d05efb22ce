"""Editing and asking again under a name: sent twice, made once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.utils import timezone

from chat import repeats, revalidation, versions
from chat.models import ClientCommand, Conversation, Message
from streaming import database
from streaming.errors import Refused
from streaming.models import Generation
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send
from tests.integration.chat.live_server import LiveServer, cookie_of
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> tuple[Any, Conversation, Any]:
    """A finished question of ann's."""
    ann = make_person()
    conversation = make_conversation(ann)
    sent = send(ann, conversation)
    end(sent.generation)
    return ann, conversation, sent


def test_the_same_retry_asks_once_also_while_its_answer_runs_and_after_it(scene: Any) -> None:
    ann, _, sent = scene
    retry = (ann, UUID(sent.generation), None, "name")
    assert versions.model_for_answer(*retry) is not None
    first = versions.regenerate(*retry)
    again = versions.regenerate(*retry)
    assert (again.message, again.generation) == (first.message, first.generation)
    assert (again.after.broadcasts, again.after.start) == ([], [])
    assert versions.model_for_answer(*retry) is None, "what was accepted needs no place in any line"
    end(first.generation)
    assert versions.regenerate(*retry).generation == first.generation
    assert Generation.objects.count() == 2


def test_the_same_edit_makes_one_version(scene: Any) -> None:
    ann, _, sent = scene
    edit = (ann, sent.message, "Other words", None, "name")
    first, again = versions.edit_message(*edit), versions.edit_message(*edit)
    assert (again.message, again.generation) == (first.message, first.generation)
    assert versions.model_for_edit(*edit) is None
    assert Message.objects.filter(role="user").count() == 2


def test_an_edit_of_a_waiting_question_stays_one_when_its_turn_has_come(scene: Any) -> None:
    ann, conversation, _ = scene
    running, waiting = send(ann, conversation), send(ann, conversation, "Waits")
    edit = (ann, waiting.message, "Other words", None, "name")
    assert versions.edit_message(*edit).generation is None
    end(running.generation)
    end(str(answer_of(waiting).generation_id))
    again = versions.edit_message(*edit)
    assert (again.message, again.generation) == (waiting.message, None)
    assert not Message.objects.filter(first_version__isnull=False).exists()


def test_without_a_name_or_under_another_one_it_is_another_command(scene: Any) -> None:
    ann, _, sent = scene
    made = set()
    for name in (None, None, "a", "b"):
        asked = versions.regenerate(ann, UUID(sent.generation), None, name)
        end(asked.generation)
        made.add(asked.generation)
    assert len(made) == 4


def test_a_name_is_of_one_person_and_for_one_message(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, conversation, sent = scene
    other = send(ann, conversation)
    end(other.generation)
    versions.edit_message(ann, other.message, "Other words", None, "name")
    with pytest.raises(Refused) as refused:
        versions.edit_message(ann, sent.message, "Other words", None, "name")
    assert refused.value.code == "conflict"
    bob = make_person()
    mine = send(bob, make_conversation(bob))
    end(mine.generation)
    assert versions.edit_message(bob, mine.message, "Other words", None, "name").generation
    monkeypatch.setattr(repeats, "find", lambda *_: None)  # both came at the same moment, to different conversations
    with pytest.raises(Refused) as refused:
        versions.edit_message(bob, mine.message, "Other", None, "name")
    assert ClientCommand.objects.count() == 2


async def test_over_the_socket_the_second_one_is_answered_like_the_first(server: LiveServer) -> None:
    def make() -> tuple[Any, Any]:
        ann = make_person()
        sent = send(ann, make_conversation(ann))
        end(sent.generation)
        return ann, sent

    ann, sent = await database.call(make)
    async with server.client(await database.call(cookie_of, ann)) as client:
        fields = {"generation": sent.generation, "client_command_id": "name"}
        first = await client.command("generation.retry", **fields)
        again = await client.command("generation.retry", **fields)
        assert again["generation"] == first["generation"]
        await database.call(end, first["generation"])
        edit = {"message": sent.message, "text": "Other words", "client_command_id": "other name"}
        made = [await client.command("message.edit", **edit) for _ in range(2)]
    assert (made[0]["message"], made[0]["generation"]) == (made[1]["message"], made[1]["generation"])
    assert await database.call(Generation.objects.count) == 3


def _kept(scene: Any, *ages: timedelta) -> list[int]:
    """Commands of so many days ago; the oldest was made first, as it is."""
    ann, _, sent = scene
    made = []
    for number, age in enumerate(ages):
        about = {"about_id": sent.message, "message_id": sent.message}
        command = ClientCommand.objects.create(user=ann, name=f"name {number}", **about)
        ClientCommand.objects.filter(pk=command.pk).update(created_at=timezone.now() - age)
        made.append(command.pk)
    return made


def test_commands_are_forgotten_after_a_while_and_not_before(scene: Any) -> None:
    day = timedelta(days=1)
    _, _, younger, now = _kept(scene, 2 * repeats.KEPT_FOR, repeats.KEPT_FOR + day, repeats.KEPT_FOR - day, 0 * day)
    assert repeats.purge() == 2
    assert set(ClientCommand.objects.values_list("pk", flat=True)) == {younger, now}
    assert repeats.purge() == 0
    assert Message.objects.count() == 2, "what they made stays"


def test_one_round_forgets_a_batch_and_the_command_all(
    scene: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(repeats, "PURGE_BATCH", 2)
    _kept(scene, *[2 * repeats.KEPT_FOR] * 6)
    assert repeats.purge() == 2
    call_command("purge")
    assert "commands forgotten: 4" in capsys.readouterr().out
    assert not ClientCommand.objects.exists()


async def test_web_processes_do_it_by_themselves(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> None:
        ann = make_person()
        conversation = make_conversation(ann)
        _kept((ann, conversation, send(ann, conversation)), 2 * repeats.KEPT_FOR)

    await database.call(make)
    monkeypatch.setattr(revalidation, "_purge_at", float("-inf"))
    await revalidation.purge_if_due()
    assert not await database.call(ClientCommand.objects.exists)
    await database.call(make)
    await revalidation.purge_if_due()
    assert await database.call(ClientCommand.objects.exists), "not again so soon"
