"""`/api/v1/conversations` and their messages, through the same services as the page."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from ninja import Header, Query, Router, Status
from pydantic import WithJsonSchema

from chat import budget_notices, changes, deletion, people, selectors, services, sockets, waits
from chat.access import NotFound, access_conversation, access_message
from chat.api import cursors, key_watch, places, revoking
from chat.api.bearer import KeyAuth, key_of
from chat.api.errors import Invalid
from chat.api.models import ApiKey, Scope
from chat.api.openapi import PROBLEMS
from chat.api.schemas import (
    ChangedConversation,
    Conversation,
    ConversationPage,
    Message,
    MessagePage,
    NewConversation,
    NewMessage,
    Sent,
)
from chat.command_fields import Wrong, read_name
from chat.models import Participant
from streaming import database
from streaming import services as streaming
from streaming.hooks import AfterEnd

router = Router(tags=["Conversations"])
READ, CHAT = KeyAuth(Scope.READ), KeyAuth(Scope.CHAT)
Place = Annotated[str, WithJsonSchema({"type": "string", "pattern": cursors.PLACE_PATTERN})]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=64, description="repeating it sends nothing twice"),
]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("", auth=READ, operation_id="list_conversations", response={200: ConversationPage, **PROBLEMS})
async def list_conversations(request: HttpRequest, limit: Limit = 50, cursor: Place | None = None) -> ConversationPage:
    """The conversations you take part in, the last changed one first."""
    after = None if cursor is None else cursors.read_place(cursor)
    return await database.call(_page, key_of(request).user_id, limit, after)


def _page(user_id: int, limit: int, after: tuple[datetime, int] | None) -> ConversationPage:
    mine = Participant.objects.filter(user_id=user_id, conversation__deleted_at__isnull=True)
    if after is not None:
        at, pk = after
        mine = mine.filter(Q(conversation__changed_at__lt=at) | Q(conversation__changed_at=at, pk__lt=pk))
    rows = list(mine.select_related("conversation").order_by("-conversation__changed_at", "-pk")[: limit + 1])
    shown, last = rows[:limit], rows[limit - 1] if len(rows) > limit else None
    cursor = cursors.write_place(last.conversation.changed_at, last.pk) if last else None
    return ConversationPage(items=[_conversation(row) for row in shown], next_cursor=cursor)


def _conversation(mine: Participant) -> Conversation:
    row = mine.conversation
    return Conversation(
        id=row.pk,
        title=str(row),
        role=mine.role,  # type: ignore[arg-type]  # its choices are those of the schema
        revision=row.revision,
        created_at=selectors.moment(row.created_at),
        changed_at=selectors.moment(row.changed_at),
    )


def _one(user: Any, conversation_id: UUID) -> Conversation:
    access_conversation(user, conversation_id)
    rows = Participant.objects.select_related("conversation")
    found = rows.filter(user_id=user.pk, conversation_id=conversation_id).first()
    if found is None:  # it went away between the two questions
        raise NotFound
    return _conversation(found)


@router.post("", auth=CHAT, operation_id="create_conversation", response={201: Conversation, **PROBLEMS})
async def create_conversation(request: HttpRequest, body: NewConversation) -> Status[Conversation]:
    """A new conversation that you own."""
    user = key_of(request).user
    made = await database.call(people.create_conversation, user, body.title, body.system_prompt)
    return Status(201, await database.call(_one, user, made.pk))


@router.get("/{uuid:conversation_id}", auth=READ, operation_id="get_conversation",
            response={200: Conversation, **PROBLEMS})  # fmt: skip
async def get_conversation(request: HttpRequest, conversation_id: UUID) -> Conversation:
    """One conversation."""
    return await database.call(_one, key_of(request).user, conversation_id)


@router.patch("/{uuid:conversation_id}", auth=CHAT, operation_id="rename_conversation",
              response={200: Conversation, **PROBLEMS})  # fmt: skip
async def rename_conversation(request: HttpRequest, conversation_id: UUID, body: ChangedConversation) -> Conversation:
    """Give it another title."""
    user = key_of(request).user
    await to_end(await database.call(people.rename, user, conversation_id, body.title))
    return await database.call(_one, user, conversation_id)


@router.delete("/{uuid:conversation_id}", auth=CHAT, operation_id="delete_conversation",
               response={204: None, **PROBLEMS})  # fmt: skip
async def delete_conversation(request: HttpRequest, conversation_id: UUID) -> Status[None]:
    """Away with it, for everybody; only an owner may. Answers that are being written stop."""
    deleted = await database.call(deletion.delete_conversation, key_of(request).user, conversation_id)
    await to_end(deleted.after, deleted.stopping)
    return Status(204, None)


@router.get("/{uuid:conversation_id}/messages", auth=READ, operation_id="list_messages",
            response={200: MessagePage, **PROBLEMS})  # fmt: skip
async def list_messages(
    request: HttpRequest,
    conversation_id: UUID,
    limit: Limit = 50,
    before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
) -> MessagePage:
    """The newest messages, or the newest ones before message `before`, from old to new."""
    return await database.call(_messages, key_of(request).user, conversation_id, before, limit)


def _messages(user: Any, conversation_id: UUID, before: int | None, limit: int) -> MessagePage:
    access_conversation(user, conversation_id)
    page = selectors.message_page(conversation_id, before, limit)
    items = [Message.model_validate(message) for message in page.messages]
    return MessagePage(items=items, next_before=items[0].id if page.older else None)


@router.get("/{uuid:conversation_id}/messages/{int:message_id}", auth=READ, operation_id="get_message",
            response={200: Message, **PROBLEMS})  # fmt: skip
async def get_message(request: HttpRequest, conversation_id: UUID, message_id: int) -> Message:
    """One message: to see whether a question that waits has its answer by now, look for one whose `parent` it is."""
    return await database.call(_message, key_of(request).user, conversation_id, message_id)


def _message(user: Any, conversation_id: UUID, message_id: int) -> Message:
    if message_id >= 2**63 or access_message(user, message_id).conversation_id != conversation_id:
        raise NotFound
    return Message.model_validate(selectors.messages_by_id([message_id])[0])


@router.post("/{uuid:conversation_id}/messages", auth=CHAT, operation_id="send_message",
             response={202: Sent, **PROBLEMS})  # fmt: skip
async def send_message(
    request: HttpRequest,
    conversation_id: UUID,
    body: NewMessage,
    idempotency_key: IdempotencyKey = None,
) -> Status[Sent]:
    """Ask. The answer comes as a stream of events; who sends the same Idempotency-Key again gets the same stream."""
    key, name = key_of(request), _client_id(idempotency_key)
    await waits.check_wait(key.user, conversation_id, name, body.text, body.model)
    sent = await database.call(_send, key, conversation_id, name, body)
    key_watch.accepted(key)
    is_started = await to_end(sent.after) and sent.generation in sent.after.start
    if sent.after.start or sent.waits:
        sockets.get().in_background(budget_notices.tell(key.user_id))
    place = await places.place_of(sent.generation, is_started) if sent.generation else places.UNKNOWN
    stream = UUID(sent.generation) if sent.generation else None
    return Status(
        202,
        Sent(
            message_id=sent.message,
            stream_id=stream,
            state="sent" if stream else "pending",
            position=place.position,
            eta_s=place.eta_s,
            eta_p90_s=place.eta_p90_s,
            events_url=f"/api/v1/streams/{stream}/events" if stream else None,
            message_url=f"/api/v1/conversations/{conversation_id}/messages/{sent.message}",
        ),
    )


@transaction.atomic
def _send(key: ApiKey, conversation_id: UUID, name: str, body: NewMessage) -> services.Sent:
    sent = services.send_message(key.user, conversation_id, client_message_id=name, text=body.text, model=body.model)
    revoking.note_message(key, sent.message)
    return sent


def _client_id(idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return str(uuid.uuid4())
    try:
        return read_name(idempotency_key)
    except Wrong as wrong:
        raise Invalid(f"An Idempotency-Key {wrong.reason}.", param="Idempotency-Key", code=wrong.code) from None


async def to_end(after: AfterEnd, stopping: Iterable[str] = ()) -> bool:
    """What is to be done after a commit is done, also if the program goes away meanwhile. False: the queue is away."""
    done = asyncio.Event()
    started = False

    async def carry_out() -> None:
        nonlocal started
        try:
            started = await changes.carry_out(after)
            for generation in stopping:
                await streaming.request_stop(generation)
        finally:
            done.set()

    sockets.get().in_background(carry_out())
    await done.wait()
    return started
