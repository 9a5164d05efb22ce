from __future__ import annotations

from typing import Any

import pytest

from chat import late_rendering, people, selectors
from streaming.models import Generation
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def answered() -> Any:
    """A conversation whose answer was never rendered, as after an end without Redis."""
    ann = make_person("ann")
    conversation = make_conversation(ann)
    sent = send(ann, conversation)
    end(sent.generation, text="# Title\n\n<b>text</b>\n")
    return ann, conversation, answer_of(sent)


def test_an_answer_is_rendered_when_its_page_is_opened_and_only_once(answered: Any, client: Any) -> None:
    ann, conversation, answer = answered
    assert selectors.messages_by_id([answer.pk])[0]["html"] is None
    client.force_login(ann)
    page = client.get(f"/conversations/{conversation.pk}/").content.decode()
    assert 'data-rich><h3 data-level="1">Title</h3>\n<p>&lt;b&gt;text&lt;/b&gt;</p>' in page
    assert (
        selectors.messages_by_id([answer.pk])[0]["html"]
        == '<h3 data-level="1">Title</h3>\n<p>&lt;b&gt;text&lt;/b&gt;</p>\n'
    )


def test_the_copy_of_an_answer_is_rendered_too(answered: Any, client: Any) -> None:
    ann, conversation, _ = answered
    group = people.add_participant(ann, conversation.pk, make_person("bob").username).conversation
    client.force_login(ann)
    assert 'data-rich><h3 data-level="1">Title</h3>' in client.get(f"/conversations/{group}/").content.decode()
    messages = client.get(f"/conversations/{group}/messages/").json()["messages"]
    assert [message["html"] is None for message in messages] == [True, False]


def test_older_messages_come_rendered(answered: Any, client: Any) -> None:
    ann, conversation, _ = answered
    client.force_login(ann)
    data = client.get(f"/conversations/{conversation.pk}/messages/").json()
    assert [message["html"] is None for message in data["messages"]] == [True, False]


def test_a_page_does_not_wait_for_all_of_them(answered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_rendering, "BUDGET_S", -1.0)
    _, conversation, answer = answered
    messages = selectors.message_page(conversation.pk).messages
    late_rendering.render_late(messages)
    assert messages[-1]["html"] is None
    assert Generation.objects.get(pk=answer.generation_id).blocks == ""


def test_blocks_of_another_version_are_rendered_again(answered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, conversation, answer = answered
    late_rendering.render_late(selectors.message_page(conversation.pk).messages)
    before = Generation.objects.get(pk=answer.generation_id).blocks
    monkeypatch.setattr("streaming.markdown_html.RENDERER_VERSION", 99)
    messages = selectors.message_page(conversation.pk).messages
    assert messages[-1]["html"] is None
    late_rendering.render_late(messages)
    after = Generation.objects.get(pk=answer.generation_id).blocks
    assert not before.startswith("[99,")
    assert after.startswith("[99,")
    assert selectors.message_page(conversation.pk).messages[-1]["html"] == messages[-1]["html"]
