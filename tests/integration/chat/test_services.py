import json
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from chat import answers, people, services, titles, versions
from chat.access import NotFound
from chat.models import Conversation, Message
from streaming import lifecycle
from streaming.errors import Refused
from streaming.models import Generation
from streaming.states import Status
from tests.integration.chat.factories import answer_of, end, make_conversation, make_person, send

pytestmark = pytest.mark.django_db
State = Message.State


def frame_of(after: Any) -> dict[str, Any]:
    """The one frame that tells those who watch of a change."""
    (frame,) = (frame for group, frame in after.broadcasts if group.startswith("conversation."))
    return json.loads(frame)  # type: ignore[no-any-return]


def revision_of(conversation: Conversation) -> int:
    return Conversation.objects.values_list("revision", flat=True).get(pk=conversation.pk)


def test_sending_writes_question_answer_and_generation_in_one_revision() -> None:
    ann = make_person(first_name="Ann", last_name="Lee")
    conversation = make_conversation(ann)
    sent = send(ann, conversation, "What is a hub?", client_message_id="c-1")
    question, answer = Message.objects.filter(conversation=conversation).order_by("pk")
    assert (question.pk, question.text, question.state, question.author) == (
        sent.message,
        "What is a hub?",
        "sent",
        ann,
    )
    assert question.parent is None
    assert (answer.parent, str(answer.generation_id), answer.text) == (question, sent.generation, "")
    assert answer.generation is not None
    assert (answer.generation.status, answer.generation.user) == (Status.QUEUED, ann)
    assert revision_of(conversation) == conversation.revision + 1 == question.revision == answer.revision
    assert sent.after.start == [sent.generation]


def test_the_frame_shows_what_was_committed() -> None:
    ann = make_person(first_name="Ann", last_name="Lee")
    conversation = make_conversation(ann)
    sent = send(ann, conversation, "Hello", client_message_id="c-1")
    assert sent.after.broadcasts[0][0] == f"conversation.{conversation.pk}"
    frame = frame_of(sent.after)
    assert (frame["type"], frame["revision"], frame["title"]) == ("conversation.changed", 2, "Talk")
    assert frame["participants"] == [{"id": ann.pk, "name": "Ann Lee", "role": "owner"}]
    question, answer = frame["messages"]
    assert question["author"] == {"id": ann.pk, "name": "Ann Lee"}
    assert (question["client_message_id"], question["text"], question["generation"]) == ("c-1", "Hello", None)
    assert (answer["parent"], answer["role"], answer["text"]) == (question["id"], "assistant", "")
    assert (answer["generation"]["id"], answer["generation"]["status"]) == (sent.generation, "queued")


@pytest.mark.parametrize(
    ("text", "code"), [("", "empty_message"), (" \n", "empty_message"), ("x" * 32_001, "message_too_long")]
)
def test_messages_of_a_wrong_size_are_refused(text: str, code: str) -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    with pytest.raises(Refused) as refused:
        send(ann, conversation, text)
    assert refused.value.code == code
    assert not Message.objects.exists()


def test_an_unknown_model_is_refused_with_the_known_names_before_anything_is_written() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    with pytest.raises(Refused, match="demo") as refused:
        send(ann, conversation, model="gpt-99")
    assert refused.value.code == "unknown_model"
    assert revision_of(conversation) == conversation.revision
    assert not Message.objects.exists()
    assert not Generation.objects.exists()


def test_sending_the_same_again_gives_the_same_answer_and_writes_nothing() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    first = send(ann, conversation, client_message_id="once")
    again = send(ann, conversation, client_message_id="once")
    assert (again.message, again.generation) == (first.message, first.generation)
    assert again.after.broadcasts == again.after.start == []
    assert revision_of(conversation) == first_revision(first)


def first_revision(sent: services.Sent) -> int:
    return int(frame_of(sent.after)["revision"])


def test_two_people_may_use_the_same_client_message_id() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    first, second = (send(person, conversation, client_message_id="once") for person in (ann, bob))
    assert first.message != second.message


def test_a_client_message_id_belongs_to_one_conversation() -> None:
    ann = make_person()
    send(ann, make_conversation(ann), client_message_id="once")
    with pytest.raises(Refused) as refused:
        send(ann, make_conversation(ann), client_message_id="once")
    assert refused.value.code == "conflict"


def test_the_first_message_gives_the_title() -> None:
    ann = make_person()
    conversation = people.create_conversation(ann)
    sent = send(ann, conversation, "How do\nI " + "very " * 30 + "much?")
    title = frame_of(sent.after)["title"]
    assert title.startswith("How do I very very")
    assert len(title) <= titles.WORDS_CHARS


def test_a_message_sent_while_an_answer_runs_waits_for_its_end() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    first = send(ann, conversation, "One")
    second = send(ann, conversation, "Two")
    assert second.generation is None
    assert second.after.start == []
    assert [message["state"] for message in frame_of(second.after)["messages"]] == ["pending"]

    ended = end(first.generation, "The first answer.")
    assert len(ended.after.start) == 1
    frame = frame_of(ended.after)
    told = {message["id"]: message for message in frame["messages"]}
    assert told[answer_of(first).pk]["text"] == "The first answer."
    assert told[answer_of(first).pk]["generation"]["status"] == "completed"
    assert told[second.message]["state"] == "sent"
    assert told[answer_of(second).pk]["generation"]["id"] == ended.after.start[0]
    assert frame["revision"] == revision_of(conversation)


def test_waiting_messages_take_their_turns_in_order() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    running = send(ann, conversation, "0").generation
    waiting = [send(person, conversation, str(n)).message for n, person in enumerate([bob, ann, bob], 1)]
    order = []
    for _ in waiting:
        (running,) = end(running).after.start
        order.append(Message.objects.get(generation_id=running).parent_id)
    assert order == waiting
    assert end(running).after.start == []


def test_a_waiting_message_that_is_sent_again_gives_the_same_answer() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    send(ann, conversation)
    first, again = (send(ann, conversation, client_message_id="w") for _ in range(2))
    assert (first.message, first.generation) == (again.message, again.generation)
    assert again.generation is None


def test_only_so_many_messages_may_wait() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    running = send(ann, conversation).generation
    for _ in range(answers.PENDING_MAX):
        send(ann, conversation)
    with pytest.raises(Refused) as refused:
        send(ann, conversation)
    assert (refused.value.code, refused.value.retryable) == ("too_many", True)
    end(running)
    send(ann, conversation)


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED, Status.COMPLETED])
def test_any_end_lets_the_next_message_begin(status: Status) -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    running = send(ann, conversation).generation
    send(ann, conversation)
    assert len(end(running, "" if status == Status.FAILED else "x", status).after.start) == 1


def test_limits_do_not_concern_a_message_that_was_accepted_before(settings: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "live_generations_per_user_max": 1}
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    running = send(ann, conversation).generation
    send(bob, conversation)
    send(bob, make_conversation(bob))  # Bob is at his limit now
    assert len(end(running).after.start) == 1


def test_a_refusal_of_the_engine_leaves_nothing_behind(settings: Any) -> None:
    settings.STREAMING = {**settings.STREAMING, "live_generations_per_user_max": 0}
    ann = make_person()
    conversation = make_conversation(ann)
    with pytest.raises(Refused) as refused:
        send(ann, conversation)
    assert refused.value.code == "too_many"
    assert not Message.objects.exists()
    assert revision_of(conversation) == conversation.revision


def test_the_end_of_an_answer_whose_conversation_is_gone_is_no_fault() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    running = send(ann, conversation).generation
    conversation.delete()
    ended = lifecycle.end_queued(str(running), Status.STOPPED)
    assert ended is not None
    assert ended.after.broadcasts == ended.after.start == []


def in_parallel(work: Any, times: int) -> list[Any]:
    """Run `work(number)` in that many threads at once; returns results and exceptions."""
    results: list[Any] = [None] * times
    barrier = threading.Barrier(times)

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = work(number)
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_twenty_parallel_repeats_make_one_message_and_twenty_equal_answers() -> None:
    ann = make_person()
    conversation = make_conversation(ann)
    results = in_parallel(lambda _: send(ann, conversation, client_message_id="once"), 20)
    assert {(sent.message, sent.generation) for sent in results} == {(results[0].message, results[0].generation)}
    assert Message.objects.filter(role="user").count() == Generation.objects.count() == 1
    assert revision_of(conversation) == conversation.revision + 1
    assert sum(len(sent.after.start) for sent in results) == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_id_in_two_conversations_at_once_is_accepted_by_one() -> None:
    ann = make_person()
    conversations = [make_conversation(ann) for _ in range(4)]
    results = in_parallel(lambda n: send(ann, conversations[n], client_message_id="once"), 4)
    refused = [result for result in results if isinstance(result, Refused)]
    assert [error.code for error in refused] == ["conflict"] * 3
    assert Message.objects.filter(role="user").count() == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_messages_each_get_their_own_revision() -> None:
    ann, bob = make_person(), make_person()
    conversation = make_conversation(ann, members=[bob])
    results = in_parallel(lambda n: send((ann, bob)[n % 2], conversation, str(n)), 6)
    revisions = sorted(frame_of(sent.after)["revision"] for sent in results)
    assert revisions == list(range(conversation.revision + 1, conversation.revision + 7))
    assert sum(sent.generation is not None for sent in results) == 1


@pytest.mark.django_db(transaction=True)
def test_an_end_and_a_new_message_at_once_leave_nothing_waiting() -> None:
    for _ in range(5):
        ann = make_person()
        conversation = make_conversation(ann)
        running = send(ann, conversation).generation

        def work(number: int, running: Any = running, ann: Any = ann, conversation: Any = conversation) -> Any:
            return end(running) if number else send(ann, conversation, "next")

        results = in_parallel(work, 2)
        assert not [result for result in results if isinstance(result, Exception)], results
        started = [generation for result in results for generation in result.after.start]
        assert len(started) == 1
        assert not Message.objects.filter(conversation=conversation, state=State.PENDING).exists()


def test_nothing_here_exists_for_strangers() -> None:
    ann, eve = make_person(), make_person()
    conversation = make_conversation(ann)
    sent = send(ann, conversation)
    end(sent.generation)
    for attempt in (
        lambda: send(eve, conversation),
        lambda: versions.edit_message(eve, sent.message, "x"),
        lambda: versions.regenerate(eve, UUID(sent.generation)),
        lambda: versions.switch_version(eve, sent.message),
        lambda: versions.cancel_message(eve, sent.message),
        lambda: people.rename(eve, conversation.pk, "x"),
        lambda: people.add_participant(eve, conversation.pk, eve.username),
        lambda: people.remove_participant(eve, conversation.pk, ann.pk),
        lambda: services.send_message(eve, uuid4(), client_message_id="x", text="x"),
    ):
        with pytest.raises(NotFound):
            attempt()
