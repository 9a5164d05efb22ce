"""What a browser may ask for: one class per command, and the only way from a frame's text to one of them.

Each class says in its docstring what it does and in its annotations what its fields may hold; PROTOCOL.md is made from
both. A client's `type` is looked up in our own table and goes nowhere else: not to a dispatcher, not to the layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Final, get_args, get_type_hints

from chat.command_fields import (
    After,
    ConversationId,
    Count,
    Flag,
    GenerationId,
    Instructions,
    MessageId,
    MessageText,
    ModelAlias,
    Name,
    Revision,
    Rule,
    Wrong,
    WrongText,
    read_name,
)
from chat.strict_json import BadJson, parse_object

CommandId = str | int | None
"""What the client called its command, given back with the answer; None if there is none or it was not readable."""

# What people paste may be wrong by accident, and a newer page may know more commands: no reason to cut them off.
_NO_STRIKE: Final = frozenset({"invalid_text", "too_large", "unknown_command", "empty_message", "message_too_long"})


class CommandError(Exception):
    """A frame that is no command. `strike`: three of them within a minute end the connection."""

    def __init__(self, code: str, message: str, id: CommandId = None) -> None:
        self.code = code
        self.message = message
        self.id = id
        self.strike = code not in _NO_STRIKE
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    TYPE: ClassVar[str] = ""
    #: Whether it carries an `id` and is answered by `ok` or `error`.
    ANSWERED: ClassVar[bool] = True
    #: The fields of its `ok`, beside `id`.
    RESULT: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage(Command):
    """Write a message and ask the model for an answer. Repeating it with the same `client_message_id` changes nothing
    and gives the same answer. While an answer runs, the message waits in state `pending` and `generation` is null."""

    TYPE: ClassVar[str] = "message.send"
    RESULT: ClassVar[tuple[str, ...]] = ("message", "generation")
    conversation: ConversationId
    client_message_id: Name
    text: MessageText
    model: ModelAlias | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMessage(Command):
    """Change the text of one's own message. One in state `pending`, or one that no model answers, changes in its place,
    with `generation` null. Any other gets a new version with a new answer; the old one keeps what followed it, out of
    sight. `model` as in `message.send`; without it the one that was asked before. `busy` while an answer runs.
    Repeating it with the same `client_command_id` changes nothing and gives the same answer."""

    TYPE: ClassVar[str] = "message.edit"
    RESULT: ClassVar[tuple[str, ...]] = ("message", "generation")
    message: MessageId
    text: MessageText
    model: ModelAlias | None = None
    client_command_id: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchMessage(Command):
    """Show this version of a message (one of its `siblings`) to everybody, with the newest of what followed it.
    `busy` while an answer runs."""

    TYPE: ClassVar[str] = "message.switch"
    message: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelMessage(Command):
    """Withdraw a message in state `pending`: its author may, and owners. `conflict` if its turn has come."""

    TYPE: ClassVar[str] = "message.cancel"
    message: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class StopGeneration(Command):
    """End a waiting or running answer; its text so far stays. `status` is the one found: the end comes as an event."""

    TYPE: ClassVar[str] = "generation.stop"
    RESULT: ClassVar[tuple[str, ...]] = ("status",)
    generation: GenerationId


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryGeneration(Command):
    """Ask the same question again, also another model: a new generation and a message beside the old one (same
    `parent`), which takes its place with nothing after it. `busy` while an answer runs. Repeating it with the same
    `client_command_id` changes nothing and gives the same answer."""

    TYPE: ClassVar[str] = "generation.retry"
    RESULT: ClassVar[tuple[str, ...]] = ("generation",)
    generation: GenerationId
    model: ModelAlias | None = None
    client_command_id: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeStream(Command):
    """Receive a generation's events after position `after` of log epoch `epoch`; without them, first its text so far.
    Asking again for a stream that is open starts it anew from the position named. With `blocks: false` finished blocks
    come without their HTML, which is for pages; the text is the same."""

    TYPE: ClassVar[str] = "stream.subscribe"
    RESULT: ClassVar[tuple[str, ...]] = ("generation", "epoch", "recovered", "status")
    generation: GenerationId
    after: After | None = None
    epoch: Name | None = None
    blocks: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeStream(Command):
    """Receive no more of it."""

    TYPE: ClassVar[str] = "stream.unsubscribe"
    generation: GenerationId


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeConversation(Command):
    """Receive a conversation's changes: first one `conversation.changed` with all that changed after revision `since`
    (without it: with the newest messages and `complete: true`), then each change as it happens."""

    TYPE: ClassVar[str] = "conversation.subscribe"
    RESULT: ClassVar[tuple[str, ...]] = ("conversation", "revision")
    conversation: ConversationId
    since: Revision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeConversation(Command):
    """Receive no more of it."""

    TYPE: ClassVar[str] = "conversation.unsubscribe"
    conversation: ConversationId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConversation(Command):
    """One has seen everything of a conversation up to `revision`."""

    TYPE: ClassVar[str] = "conversation.read"
    conversation: ConversationId
    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeList(Command):
    """Receive one's list of conversations: first one `list.changed` with `complete: true`, then each entry that
    changes."""

    TYPE: ClassVar[str] = "list.subscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructConversation(Command):
    """Say what models are told first here, from the next answer on; empty: the usual."""

    TYPE: ClassVar[str] = "conversation.instruct"
    conversation: ConversationId
    system_prompt: Instructions


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTyping(Command):
    """Tell the others that one is writing; at most every 2 s is passed on."""

    TYPE: ClassVar[str] = "typing.start"
    conversation: ConversationId


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack(Command):
    """All envelopes up to number `n` were received: opens the send window. No answer."""

    TYPE: ClassVar[str] = "ack"
    ANSWERED: ClassVar[bool] = False
    n: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong(Command):
    """Answers a `heartbeat`. No answer."""

    TYPE: ClassVar[str] = "pong"
    ANSWERED: ClassVar[bool] = False


COMMAND_TYPES: Final[dict[str, type[Command]]] = {
    kind.TYPE: kind
    for kind in (
        SendMessage,
        EditMessage,
        SwitchMessage,
        CancelMessage,
        StopGeneration,
        RetryGeneration,
        SubscribeStream,
        UnsubscribeStream,
        SubscribeConversation,
        UnsubscribeConversation,
        ReadConversation,
        SubscribeList,
        InstructConversation,
        StartTyping,
        Ack,
        Pong,
    )
}


def rules_of(kind: type[Command]) -> dict[str, tuple[Rule, bool]]:
    """Per field of a command its rule and whether it must be there."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: (_rule(hints[field.name]), field.default is MISSING) for field in fields(kind)}


def _rule(hint: Any) -> Rule:
    annotated = hint if hasattr(hint, "__metadata__") else get_args(hint)[0]  # Annotated[...] or Annotated[...] | None
    rule: Rule = annotated.__metadata__[0]
    return rule


_RULES: Final = {kind: rules_of(kind) for kind in COMMAND_TYPES.values()}


def parse_command(text: str) -> tuple[Command, CommandId]:
    """The command of a frame, with the client's id for it. Raises CommandError and nothing else, whatever `text` is."""
    try:
        data = parse_object(text)
    except BadJson as error:
        raise CommandError(error.code, error.message) from None
    id = _id(data.pop("id")) if "id" in data else None
    try:
        kind = _kind(data)
        if kind.ANSWERED and id is None:
            raise Wrong("missing_field", "'id' is missing")
        if id is not None and not kind.ANSWERED:
            raise Wrong("bad_field", f"{kind.TYPE} has no 'id'")
        return kind(**_values(kind, data)), id
    except Wrong as wrong:
        raise CommandError(wrong.code, f"{wrong.reason}.", id) from None


def _id(value: object) -> str | int:
    if type(value) is int:
        return value
    try:
        return read_name(value)
    except Wrong:
        raise CommandError("bad_field", "'id' must be a number or a string of 1 to 64 characters.") from None


def _kind(data: dict[str, Any]) -> type[Command]:
    if "type" not in data:
        raise Wrong("missing_field", "'type' is missing")
    name = data.pop("type")
    kind = COMMAND_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Wrong(
            "unknown_command" if isinstance(name, str) else "bad_field",
            "The server does not know this command: reload the page",
        )
    return kind


def _values(kind: type[Command], data: Mapping[str, Any]) -> dict[str, Any]:
    rules = _RULES[kind]
    for name in data.keys() - rules.keys():
        raise Wrong("bad_field", f"{kind.TYPE} has no field {name[:40]!a}")
    values: dict[str, Any] = {}
    for name, (rule, required) in rules.items():
        if data.get(name) is not None:
            values[name] = _read(name, rule, data[name])
        elif required:
            raise Wrong("missing_field", f"'{name}' is missing")
    return values


def _read(name: str, rule: Rule, value: object) -> object:
    try:
        return rule.read(value)
    except WrongText:
        raise
    except Wrong as wrong:
        raise Wrong(wrong.code, f"'{name}' {wrong.reason}") from None
