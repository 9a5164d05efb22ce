"""What each command does: rights, then a service, then the answer. One instance per socket, one command at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol
from uuid import UUID

from chat import budget_notices, changes, instructions, people, presence, services, sockets, versions
from chat.access import Role, access_conversation, access_generation, access_stream
from chat.commands import (
    CancelMessage,
    Command,
    EditMessage,
    InstructConversation,
    ReadConversation,
    RetryGeneration,
    SendMessage,
    StartTyping,
    StopGeneration,
    SubscribeConversation,
    SubscribeList,
    SubscribeStream,
    SwitchMessage,
    UnsubscribeConversation,
    UnsubscribeStream,
)
from chat.conversation_list import whole_list
from chat.events import ConversationChanged, TypingStarted, encode
from chat.selectors import changed_since
from chat.sockets import ChatSocket, conversation_group, person_group
from chat.waits import check_wait
from streaming import database, fanout, hub
from streaming import services as streaming
from streaming.errors import Refused, Sentence
from streaming.hooks import AfterEnd
from streaming.hub import Membership, NotProven
from streaming.subscription import SubscriptionOpened

CONVERSATIONS_PER_SOCKET: Final = 20
STREAMS_PER_SOCKET: Final = 40
CONVERSATIONS_MAX: Final = "One socket watches at most %(count)s conversations."
STREAMS_MAX: Final = "One socket watches at most %(count)s answers."
TYPING_PERIOD_S: Final = 2.0
#: How long a new answer's group is kept open for those who are about to subscribe.
PREPARED_S: Final = 5.0


class Reply(Protocol):
    """Answers the command with `ok`; called exactly once, unless the command is refused."""

    def __call__(self, **result: Any) -> None: ...


class CommandHandlers:
    def __init__(self, socket: ChatSocket) -> None:
        self._socket = socket
        self._typed_at: dict[UUID, float] = {}

    async def handle(self, command: Command, reply: Reply) -> None:
        """Raises what refuses the command."""
        await _HANDLERS[type(command)](self, command, reply)

    async def send_message(self, command: SendMessage, reply: Reply) -> None:
        message = (command.client_message_id, command.text, command.model)
        await check_wait(self._socket.user, command.conversation, *message)
        sent = await database.call(
            services.send_message,
            self._socket.user,
            command.conversation,
            client_message_id=command.client_message_id,
            text=command.text,
            model=command.model,
        )
        reply(message=sent.message, generation=sent.generation)
        self._carry_out(sent.after, waits=sent.waits)

    async def edit_message(self, command: EditMessage, reply: Reply) -> None:
        user, edit = self._socket.user, (command.message, command.text, command.model, command.client_command_id)
        model = await database.call(versions.model_for_edit, user, *edit)
        if model is not None:
            await streaming.check_wait(user.pk, model)
        asked = await database.call(versions.edit_message, user, *edit)
        reply(message=asked.message, generation=asked.generation)
        self._carry_out(asked.after)

    async def switch_message(self, command: SwitchMessage, reply: Reply) -> None:
        after = await database.call(versions.switch_version, self._socket.user, command.message)
        reply()
        self._carry_out(after)

    async def cancel_message(self, command: CancelMessage, reply: Reply) -> None:
        after = await database.call(versions.cancel_message, self._socket.user, command.message)
        reply()
        self._carry_out(after)

    async def retry_generation(self, command: RetryGeneration, reply: Reply) -> None:
        user = self._socket.user
        retry = (command.generation, command.model, command.client_command_id)
        model = await database.call(versions.model_for_answer, user, *retry)
        if model is not None:
            await streaming.check_wait(user.pk, model)
        asked = await database.call(versions.regenerate, user, *retry)
        reply(generation=asked.generation)
        self._carry_out(asked.after)

    async def stop_generation(self, command: StopGeneration, reply: Reply) -> None:
        await database.call(access_generation, self._socket.user, command.generation, Role.MEMBER)
        reply(status=await streaming.request_stop(str(command.generation)))

    async def subscribe_stream(self, command: SubscribeStream, reply: Reply) -> None:
        socket, generation = self._socket, str(command.generation)
        home = await database.call(access_stream, socket.user, command.generation)
        if generation not in socket.streams and len(socket.streams) >= STREAMS_PER_SOCKET:
            raise Refused([Sentence(STREAMS_MAX, {"count": STREAMS_PER_SOCKET})], code="too_many")
        socket.stream_homes[generation] = str(home)

        def opened(stream: SubscriptionOpened) -> None:
            reply(generation=generation, epoch=stream.epoch, recovered=stream.recovered, status=stream.status)

        try:
            with_blocks = command.blocks is not False
            await socket.streams.open(generation, command.after, command.epoch, opened, blocks=with_blocks)
        except BaseException:
            socket.leave_stream(generation)
            raise

    async def unsubscribe_stream(self, command: UnsubscribeStream, reply: Reply) -> None:
        self._socket.leave_stream(str(command.generation))
        reply()

    async def subscribe_conversation(self, command: SubscribeConversation, reply: Reply) -> None:
        socket, key = self._socket, str(command.conversation)
        await database.call(access_conversation, socket.user, command.conversation)
        socket.leave_conversation(key)
        if len(socket.conversations) >= CONVERSATIONS_PER_SOCKET:
            raise Refused([Sentence(CONVERSATIONS_MAX, {"count": CONVERSATIONS_PER_SOCKET})], code="too_many")
        feed = _Feed(socket)
        group = conversation_group(key)
        socket.conversations[key] = membership = hub.get().join(group, feed.receive)
        sockets.get().watch(socket, group)
        try:
            await _proven(membership)
            changed = await database.call(_read_changes, socket.user, command.conversation, command.since)
        except BaseException:
            socket.leave_conversation(key)
            raise
        socket.seen(key, changed.revision)
        reply(conversation=key, revision=changed.revision)
        await _when_there_is_room(socket, encode(changed))
        feed.let_through()
        if len(changed.participants) > 1 and key in socket.conversations:
            socket.present[key] = presence.get().come(key, socket.user.pk)

    async def unsubscribe_conversation(self, command: UnsubscribeConversation, reply: Reply) -> None:
        self._socket.leave_conversation(str(command.conversation))
        reply()

    async def read_conversation(self, command: ReadConversation, reply: Reply) -> None:
        after = await database.call(people.mark_read, self._socket.user, command.conversation, command.revision)
        reply()
        self._carry_out(after)

    async def subscribe_list(self, command: SubscribeList, reply: Reply) -> None:
        socket = self._socket
        socket.leave_list()
        feed, group = _Feed(socket), person_group(socket.user.pk)
        socket.list = membership = hub.get().join(group, feed.receive)
        sockets.get().watch(socket, group)
        try:
            await _proven(membership)
            listed = await database.call(whole_list, socket.user)
        except BaseException:
            socket.leave_list()
            raise
        socket.list_head = listed.list_head
        reply()
        await _when_there_is_room(socket, encode(listed))
        feed.let_through()

    async def instruct_conversation(self, command: InstructConversation, reply: Reply) -> None:
        wanted = (command.conversation, command.system_prompt)
        after = await database.call(instructions.instruct, self._socket.user, *wanted)
        reply()
        self._carry_out(after)

    async def start_typing(self, command: StartTyping, reply: Reply) -> None:
        await database.call(access_conversation, self._socket.user, command.conversation, Role.MEMBER)
        reply()
        now_s = asyncio.get_running_loop().time()
        if now_s - self._typed_at.get(command.conversation, -TYPING_PERIOD_S) >= TYPING_PERIOD_S:
            self._typed_at[command.conversation] = now_s
            typing = TypingStarted(conversation=str(command.conversation), user=self._socket.person)
            await fanout.broadcast(conversation_group(command.conversation), encode(typing))

    def _carry_out(self, after: AfterEnd, *, waits: bool = False) -> None:
        """Off the command's path: with Redis away it takes its time, and the next command need not wait for it."""
        for generation_id in after.start:
            _prepare_stream(generation_id)
        if after.start or waits:
            sockets.get().in_background(budget_notices.tell(self._socket.user.pk))
        sockets.get().in_background(changes.carry_out(after))


_HANDLERS: Final[dict[type[Command], Callable[[CommandHandlers, Any, Reply], Awaitable[None]]]] = {
    SendMessage: CommandHandlers.send_message,
    EditMessage: CommandHandlers.edit_message,
    SwitchMessage: CommandHandlers.switch_message,
    CancelMessage: CommandHandlers.cancel_message,
    StopGeneration: CommandHandlers.stop_generation,
    RetryGeneration: CommandHandlers.retry_generation,
    SubscribeStream: CommandHandlers.subscribe_stream,
    UnsubscribeStream: CommandHandlers.unsubscribe_stream,
    SubscribeConversation: CommandHandlers.subscribe_conversation,
    UnsubscribeConversation: CommandHandlers.unsubscribe_conversation,
    ReadConversation: CommandHandlers.read_conversation,
    SubscribeList: CommandHandlers.subscribe_list,
    InstructConversation: CommandHandlers.instruct_conversation,
    StartTyping: CommandHandlers.start_typing,
}


class _Feed:
    """A conversation's live frames. Until its state was sent they wait here, so that none comes before it."""

    def __init__(self, socket: ChatSocket) -> None:
        self._socket = socket
        self._held: list[str] | None = []

    def receive(self, message: dict[str, Any]) -> None:
        if self._held is not None:
            self._held.append(message["f"])
        else:
            self._socket.connection.deliver(message["f"])  # no room: the revision in the heartbeat will tell

    def let_through(self) -> None:
        held, self._held = self._held or [], None
        for frame in held:
            self._socket.connection.deliver(frame)


async def _proven(membership: Membership) -> None:
    try:
        await membership.proven()
    except NotProven:
        # The layer is away and the hub keeps trying. Better the state now, and news by the heartbeats' revisions, than
        # nothing at all.
        return


def _read_changes(user: Any, conversation_id: UUID, since: int | None) -> ConversationChanged:
    return changed_since(access_conversation(user, conversation_id), since)


async def _when_there_is_room(socket: ChatSocket, frame: str) -> None:
    """A page of messages is large: it waits until the client has taken what was sent before."""
    connection = socket.connection
    while not connection.deliver(frame) and not connection.closed.is_set():
        room = asyncio.Event()
        connection.when_room(room.set)
        waiting = {asyncio.ensure_future(room.wait()), asyncio.ensure_future(connection.closed.wait())}
        _, late = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()


def _prepare_stream(generation_id: str) -> None:
    """Subscribe this process to the stream before anybody asks: the sender will, and saves a round trip until the
    first word."""
    membership = hub.get().join(fanout.stream_group(generation_id), lambda message: None)
    asyncio.get_running_loop().call_later(PREPARED_S, membership.leave)
