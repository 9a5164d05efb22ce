"""What goes in and out of `/api/v1`: the OpenAPI document is made from these."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chat.command_fields import MESSAGE_MAX_CHARS, Wrong, read_text

TITLE_MAX_CHARS = 120
Status = Literal["queued", "admitted", "streaming", "completed", "stopped", "interrupted", "failed", "expired"]


def _storable(text: str) -> str:
    try:
        return str(read_text(text))
    except Wrong as wrong:
        raise ValueError(wrong.reason) from None


#: PostgreSQL refuses NUL, and lone surrogates have no bytes.
Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": "^[^\\u0000\\ud800-\\udfff]*$"})]


class _Asked(BaseModel):
    """A field that we do not know is a mistake, and is told."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewConversation(_Asked):
    title: Text = Field("", max_length=TITLE_MAX_CHARS)
    system_prompt: Text = Field("", max_length=20_000)


class ChangedConversation(_Asked):
    title: Text = Field(max_length=TITLE_MAX_CHARS)


class NewMessage(_Asked):
    text: Text = Field(min_length=1, max_length=MESSAGE_MAX_CHARS, json_schema_extra={"pattern": "\\S"})
    model: str | None = Field(None, min_length=1, max_length=100, description="alias; without one, the site's default")


class Conversation(BaseModel):
    id: UUID
    title: str
    role: Literal["owner", "member", "viewer"]
    revision: int
    created_at: str
    changed_at: str


class ConversationPage(BaseModel):
    items: list[Conversation]
    next_cursor: str | None = Field(description="for the next page; null: this is the last one")


class Person(BaseModel):
    id: int
    name: str


class Answer(BaseModel):
    """The stream of an answer, as its message shows it."""

    id: UUID
    status: Status
    model: str
    reason: str
    code: str
    message: str
    retryable: bool


class Message(BaseModel):
    """`text` of an answer is empty until its stream has ended."""

    id: int
    role: Literal["user", "assistant"]
    author: Person | None
    text: str
    state: str
    model: str
    created_at: str
    edited_at: str | None
    parent: int | None
    generation: Answer | None


class MessagePage(BaseModel):
    """From old to new; `before` of the next page is `next_before`."""

    items: list[Message]
    next_before: int | None


class Sent(BaseModel):
    """`position` in the line (0: it runs) and the expected wait; null if nobody can tell. Without a stream it waits
    behind a running answer, or needs no answer: look at the message again."""

    message_id: int
    stream_id: UUID | None
    state: Literal["sent", "pending"]
    position: int | None
    eta_s: float | None
    eta_p90_s: float | None
    events_url: str | None
    message_url: str


class Usage(BaseModel):
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None


class Stream(BaseModel):
    """`text`: the whole answer once it has ended; until then its newest checkpoint, a little old."""

    id: UUID
    status: Status
    model: str
    text: str
    position: str
    finish_reason: str
    error_code: str
    error_message: str
    error_retryable: bool
    usage: Usage
    requested_at: str
    first_text_ms: int | None
    duration_ms: int | None
    events_url: str


class Stopped(BaseModel):
    """The status that was found; a running answer ends a moment later."""

    status: Status


class ModelUse(BaseModel):
    """`requests`: to the model's provider; an answer may have needed several."""

    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None


class Use(BaseModel):
    since: str
    models: list[ModelUse]


class Wait(BaseModel):
    p50_s: float | None
    p90_s: float | None
    why: str
    message: str


class Model(BaseModel):
    id: str
    label: str
    unavailable: str | None
    wait: Wait | None = Field(description="what somebody who asks now would wait, if that is known")


class ModelList(BaseModel):
    items: list[Model]


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    retry_after_s: int | None = None
    param: str | None = None


class OpenAIError(BaseModel):
    message: str
    type: str
    code: str | None
    param: str | None


class OpenAIProblem(BaseModel):
    error: OpenAIError


class OpenAIModel(BaseModel):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModelList(BaseModel):
    object: Literal["list"]
    data: list[OpenAIModel]


class ChatCompletion(BaseModel):
    """As OpenAI has it; with `stream`, `chat.completion.chunk` events and `[DONE]` instead."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any]
