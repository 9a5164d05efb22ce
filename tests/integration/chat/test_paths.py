"""Whatever people do with versions: one path, and everybody sees the same one, however they learn of it."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat import prompts, selectors, services, versions
from chat.events import encode
from chat.models import Conversation, Message
from chat.page_data import in_reading_order
from chat.sockets import conversation_group
from streaming.errors import Refused
from streaming.hooks import AfterEnd
from streaming.models import Generation
from streaming.states import LIVE
from tests.integration.chat.factories import end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db

STEPS = ("send", "send", "end", "end", "edit", "regenerate", "switch", "cancel")
State = dict[int, Any]


class Story:
    """A conversation, and somebody who watches it and knows only what frames tell."""

    def __init__(self) -> None:
        self.ann = make_person()
        self.conversation = make_conversation(self.ann)
        self.told = self.fresh()
        self.states = {self.revision: self.told}

    @property
    def group(self) -> str:
        return conversation_group(self.conversation.pk)

    @property
    def revision(self) -> int:
        return Conversation.objects.values_list("revision", flat=True).get(pk=self.conversation.pk)

    def fresh(self) -> State:
        return {message["id"]: message for message in selectors.message_page(self.conversation.pk).messages}

    def step(self, kind: str, choice: int) -> None:
        after = None
        with contextlib.suppress(Refused):
            after = getattr(self, f"_{kind}")(choice)
        for frame in (frame for group, frame in after.broadcasts if group == self.group) if after else ():
            self.told = fold(self.told, json.loads(frame))
        self.states[self.revision] = self.fresh()

    def check(self) -> None:
        fresh = self.fresh()
        assert self.told == fresh
        self._check_line([message for message in in_reading_order(fresh.values()) if message["state"] == "sent"])
        self.conversation.refresh_from_db()
        for revision, state in self.states.items():
            changed = selectors.changed_since(self.conversation, revision)
            assert fold(state, json.loads(encode(changed))) == fresh

    def _check_line(self, path: list[Any]) -> None:
        assert [message["parent"] for message in path] == [None, *(message["id"] for message in path)][: len(path)]
        for generation in Generation.objects.filter(status__in=LIVE, message__conversation=self.conversation):
            told = [message.text for message in prompts.build_prompt(str(generation.pk)).messages]
            assert told == [message["text"] for message in path[:-1]]

    def _pick(self, choice: int, **fields: Any) -> Message | None:
        found = list(self.conversation.messages.filter(**fields).order_by("pk"))
        return found[choice % len(found)] if found else None

    def _send(self, choice: int) -> AfterEnd:
        return send(self.ann, self.conversation, f"Question {choice}").after

    def _end(self, choice: int) -> AfterEnd | None:
        running = Generation.objects.filter(status__in=LIVE, message__conversation=self.conversation).first()
        return end(str(running.pk), f"Answer {choice}").after if running else None

    def _edit(self, choice: int) -> AfterEnd | None:
        question = self._pick(choice, role="user", shown=True)
        return versions.edit_message(self.ann, question.pk, f"Edited {choice}").after if question else None

    def _regenerate(self, choice: int) -> AfterEnd | None:
        answer = self._pick(choice, role="assistant")
        return versions.regenerate(self.ann, UUID(str(answer.generation_id))).after if answer else None

    def _switch(self, choice: int) -> AfterEnd | None:
        message = self._pick(choice, state="sent")
        return versions.switch_version(self.ann, message.pk) if message else None

    def _cancel(self, choice: int) -> AfterEnd | None:
        message = self._pick(choice, state="pending")
        return versions.cancel_message(self.ann, message.pk) if message else None


def fold(state: State, frame: dict[str, Any]) -> State:
    """As a client does it."""
    kept = {} if frame.get("complete") else {pk: row for pk, row in state.items() if pk not in frame["removed"]}
    return kept | {message["id"]: message for message in frame["messages"]}


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(min_value=0, max_value=40)), max_size=18))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_fetches_and_prompts_agree_on_one_path(steps: list[tuple[str, int]]) -> None:
    story = Story()
    for kind, choice in steps:
        story.step(kind, choice)
    story.check()


def test_a_story_with_everything_in_it() -> None:
    story = Story()
    for kind, choice in (
        ("send", 0), ("send", 1), ("send", 2), ("cancel", 1), ("end", 0), ("end", 1), ("edit", 1), ("end", 2),
        ("send", 3), ("send", 4), ("edit", 9), ("end", 3), ("end", 4), ("switch", 1), ("send", 5), ("end", 5),
        ("regenerate", 0), ("end", 6), ("switch", 3), ("send", 6), ("end", 7), ("switch", 0),
    ):  # fmt: skip
        story.step(kind, choice)
        story.check()
    assert len({message.pk for message in Message.objects.filter(shown=False)}) > 3
    assert services.was_sent(story.ann, str(Message.objects.filter(role="user").first().client_message_id))  # type: ignore[union-attr]
