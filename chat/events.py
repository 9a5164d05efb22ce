"""What the server tells a browser beside the streams' own events: one class per frame, encoded once.

Stream events are described in `streaming.events`; PROTOCOL.md is made from both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, TypedDict


class SentenceData(TypedDict):
    """An English sentence with the names of its `values` in it, `%(name)s`: look up its translation by `text`, then put
    them in."""

    text: str
    values: dict[str, str | int]


class PersonData(TypedDict):
    id: int
    name: str


class ParticipantData(PersonData):
    role: str


class GenerationData(TypedDict):
    """An answer's request as its message shows it; `reason`, tokens and times are those of its terminal event, and
    `code`, `message` and `retryable` say what went wrong, if it did."""

    id: str
    status: str
    model: str
    reason: str
    code: str
    message: str
    retryable: bool
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    waited_ms: int | None
    first_text_ms: int | None
    duration_ms: int | None


class MessageData(TypedDict):
    """A message. `parent` of an answer is its question, that of a question the message that it follows. `siblings` are
    all versions of it, the oldest first, if there are several. An answer's `text` is empty until its generation has
    ended: until then the stream has it; `html` is what it looks like, null for people's messages and where nobody has
    rendered it yet. `author` is null for a model, and for a person who is no longer known. `ended`
    is how a copied answer, which has no generation, ended if not whole: stopped, interrupted, failed."""

    id: int
    role: str
    author: PersonData | None
    text: str
    html: str | None
    state: str
    model: str
    created_at: str
    edited_at: str | None
    ended: str
    revision: int
    parent: int | None
    siblings: list[int]
    client_message_id: str | None
    generation: GenerationData | None


class ListEntryData(TypedDict):
    """A conversation as its participant's list shows it. `revision` and `read_revision` only grow: an entry that is
    behind in either is older. `people` is how many take part."""

    conversation: str
    title: str
    role: str
    people: int
    revision: int
    read_revision: int
    changed_at: str
    unread: bool
    answering: bool


class ListHeadData(TypedDict):
    """What somebody's whole list adds up to: how many conversations, and the sum of all their `revision` and
    `read_revision`."""

    count: int
    total: int


class SummaryData(TypedDict):
    """A model's summary of the messages up to `through`."""

    through: int
    text: str
    model: str


class ToldData(TypedDict):
    """What a model is told beside the messages: the system prompt (empty: the usual one), and the summary that stands
    for the earliest messages, if they are many."""

    system_prompt: str
    summary: SummaryData | None


class LimitsData(TypedDict):
    frame_bytes: int
    message_chars: int
    subscriptions: int
    window_bytes: int


class StreamHead(TypedDict):
    generation: str
    position: str
    epoch: str | None


class ModelWaitData(TypedDict):
    """What somebody who asks this model now would wait: the expected time and the one that nine of ten stay below; null
    if nobody can tell. `why`: open, paused, overloaded, probing, held, blocked; `message`: for people, if need be."""

    p50_s: float | None
    p90_s: float | None
    why: str
    message: str


class RevisionData(TypedDict):
    conversation: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    TYPE: ClassVar[str] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Frame):
    """The first frame, alone in its envelope. `heartbeat_s` is the longest time between two heartbeats."""

    TYPE: ClassVar[str] = "hello"
    protocol: int
    user: PersonData
    server_time: str
    heartbeat_s: float
    limits: LimitsData


@dataclass(frozen=True, slots=True, kw_only=True)
class Ok(Frame):
    """A command was done. What it gives back stands beside `id`: see the table of commands."""

    TYPE: ClassVar[str] = "ok"
    id: str | int
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Error(Frame):
    """A command was refused and changed nothing (`id` names it, if it could be read), or a right was withdrawn (then
    `conversation` names where). `code` is for programs, `message` English for people. If it says values, `sentences`
    are what it is made of, for translation."""

    TYPE: ClassVar[str] = "error"
    id: str | int | None = None
    code: str
    message: str
    retryable: bool = False
    retry_after_s: float | None = None
    conversation: str | None = None
    sentences: list[SentenceData] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Frame):
    """Every 5 s while a stream is live on the socket, else every `heartbeat_s`; answered by `pong`. Whoever is behind
    one of these positions or revisions has missed something and subscribes again; so does whose list adds up to
    something else than `list_head` (a little old: whoever is ahead waits for the next one)."""

    TYPE: ClassVar[str] = "heartbeat"
    server_time: str
    streams: list[StreamHead]
    conversations: list[RevisionData]
    list_head: ListHeadData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect(Frame):
    """The server is about to restart: within a second it closes with 1012. Connect again so many milliseconds after
    the close, which are others for each client, so that not all come at once."""

    TYPE: ClassVar[str] = "reconnect"
    after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationChanged(Frame):
    """All that changed in a conversation up to `revision`: its title, reply policy (always, mention, off) and people as
    they are now, changed messages, ids of those that are not shown (any more). `complete` is true if it replaces all
    that was known before; `older` if there are older messages that it leaves out; `told` is there if it changed."""

    TYPE: ClassVar[str] = "conversation.changed"
    conversation: str
    revision: int
    title: str
    reply_policy: str
    participants: list[ParticipantData]
    messages: list[MessageData]
    removed: list[int] = field(default_factory=list)
    complete: bool | None = None
    older: bool | None = None
    told: ToldData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationDeleted(Frame):
    """`user` deleted a conversation. Nothing in it can be read or done any more, unless an owner takes it back soon."""

    TYPE: ClassVar[str] = "conversation.deleted"
    conversation: str
    user: PersonData


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChanged(Frame):
    """Entries of one's list of conversations as they are now, and ids of those that are gone from it. `complete` is
    true for the whole list, the last changed first; of a very long one the oldest are left out, and `list_head` tells
    what it adds up to with them."""

    TYPE: ClassVar[str] = "list.changed"
    entries: list[ListEntryData]
    removed: list[str] = field(default_factory=list)
    complete: bool | None = None
    list_head: ListHeadData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetShort(Frame):
    """A question of one's own was accepted, and of some budget of one's own or of the whole site at least 80 % are used
    or held now, or will be by what waits: `percent` of the one that is nearest to its end. To whoever has subscribed to
    their list."""

    TYPE: ClassVar[str] = "budget.short"
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TypingStarted(Frame):
    """Somebody is writing. Never repeated if lost; to be forgotten after 5 s."""

    TYPE: ClassVar[str] = "typing.started"
    conversation: str
    user: PersonData


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceChanged(Frame):
    """Who looks at a conversation of several people now (ids); soon after one subscribed to it, and when somebody comes
    or goes."""

    TYPE: ClassVar[str] = "presence.changed"
    conversation: str
    people: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsWaits(Frame):
    """The present wait of each model of which it is known, by its alias: soon after `hello`, and when it changed by
    enough to matter, at most every 5 s. It replaces what was said before."""

    TYPE: ClassVar[str] = "models.waits"
    waits: dict[str, ModelWaitData]


FRAME_TYPES: Final[dict[str, type[Frame]]] = {
    kind.TYPE: kind
    for kind in (
        Hello,
        Ok,
        Error,
        Heartbeat,
        Reconnect,
        ConversationChanged,
        ConversationDeleted,
        ListChanged,
        BudgetShort,
        TypingStarted,
        PresenceChanged,
        ModelsWaits,
    )
}


def encode(frame: Frame) -> str:
    """One JSON object; fields that are None are left out."""
    data: dict[str, Any] = {"type": frame.TYPE}
    for item in fields(frame):
        value = getattr(frame, item.name)
        if item.name == "result":
            data |= value
        elif value is not None:
            data[item.name] = value
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
