"""The body of `/v1` requests, and the prompt that it is. Pure but for the limits of the settings.

Fields that we do not know are ignored, as OpenAI's clients expect. A field that would change what is answered, and that
we cannot honour, is refused by name: an answer to another question would be worse.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from chat.api.errors import Invalid
from streaming import conf
from streaming.prompt import Prompt, PromptMessage, Sampling

MAX_TOKENS: Final = 1_000_000
STOPS_MAX: Final = 4
STOP_MAX_CHARS: Final = 200
MESSAGES_MAX: Final = 2_000
NAME_MAX_CHARS: Final = 64
_NOT_TEXT: Final = re.compile("[\\0\\ud800-\\udfff]")
#: Meaning-changing fields that no model here honours, each with its values that change nothing.
_NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
    "top_k": (),
    "min_p": (),
    "suffix": ("",),
    "best_of": (1,),
    "echo": (False,),
}


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class ChatMessage(_Open):
    """`content`: text, or parts of which each is text. `developer` is the same as `system`."""

    role: str = Field(json_schema_extra={"enum": ["system", "developer", "user", "assistant"]})
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(_Open):
    include_usage: bool | None = None


class ChatBody(_Open):
    """What both ways of asking have in common."""

    model: str = Field(min_length=1, max_length=100, examples=["demo"])
    messages: list[ChatMessage] = Field(min_length=1, max_length=MESSAGES_MAX)
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS, description="the older name")
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=-(2**53), le=2**53)
    stop: str | list[str] | None = None
    background: bool | None = Field(
        None, description="Go on when this connection ends; read on at /api/v1/streams/{X-Stream-Id}/events."
    )


class ChatCompletionBody(ChatBody):
    stream: bool | None = None
    stream_options: StreamOptions | None = None


Refusal = Literal["unsupported_parameter", "unsupported_content", "invalid_value"]


def prompt_of(body: ChatBody) -> Prompt:
    """Raises Invalid, naming the field."""
    _check_extra(body.model_extra or {})
    system: list[str] = []
    messages: list[PromptMessage] = []
    for at, message in enumerate(body.messages):
        text = _text_of(message, f"messages.{at}")
        if message.role in ("system", "developer"):
            system.append(text)
        elif text.strip() or message.role == "user":
            messages.append(PromptMessage("user" if message.role == "user" else "assistant", text))
    _check_last(messages)
    prompt = Prompt(tuple(messages), "\n\n".join(filter(None, system)), sampling=_sampling(body))
    if sum(map(len, prompt.texts)) > conf.get().prompt_max_chars:
        raise Invalid(
            f"These messages are longer than {conf.get().prompt_max_chars:,} characters.",
            param="messages",
            code="context_too_long",
        )
    most = body.max_completion_tokens or body.max_tokens
    return prompt if most is None else Prompt(prompt.messages, prompt.system, most, prompt.sampling)


def _check_extra(extra: dict[str, Any]) -> None:
    for name, neutral in _NEUTRAL.items():
        value = extra.get(name)
        if value is not None and not any(value == same and type(value) is type(same) for same in _both(neutral)):
            raise Invalid(
                f"{name!r} is not supported here, and ignoring it would change the answer. Leave it out.",
                param=name,
                code="unsupported_parameter",
            )


def _both(neutral: tuple[Any, ...]) -> list[Any]:
    """0 may come as 0.0."""
    return [*neutral, *(float(value) for value in neutral if type(value) is int)]


def _text_of(message: ChatMessage, at: str) -> str:
    if message.role in ("tool", "function"):
        raise Invalid("Tools are not supported here.", param=f"{at}.role", code="unsupported_parameter")
    if message.role not in ("system", "developer", "user", "assistant"):
        raise Invalid(
            f"There is no role {message.role[:40]!r}. Known: system, developer, user, assistant.", param=f"{at}.role"
        )
    if (message.model_extra or {}).get("tool_calls"):
        raise Invalid("Tools are not supported here.", param=f"{at}.tool_calls", code="unsupported_parameter")
    if message.content is None and message.role != "assistant":
        raise Invalid("A message has content.", param=f"{at}.content")
    parts = message.content if isinstance(message.content, list) else [{"type": "text", "text": message.content or ""}]
    text = "".join(_part(part, f"{at}.content.{number}") for number, part in enumerate(parts))
    if _NOT_TEXT.search(text):
        raise Invalid("This text holds characters that cannot be stored.", param=f"{at}.content", code="invalid_text")
    return text


def _part(part: dict[str, Any], at: str) -> str:
    if part.get("type") != "text":
        kind = str(part.get("type"))[:40]
        raise Invalid(f"Only text can be read here, not {kind!r}.", param=at, code="unsupported_content")
    if not isinstance(part.get("text"), str):
        raise Invalid("A text part has a text.", param=f"{at}.text")
    return str(part["text"])


def _check_last(messages: list[PromptMessage]) -> None:
    if not messages or messages[-1].role != "user":
        raise Invalid("The last message must be the user's: there is nothing to answer.", param="messages")
    if not messages[-1].text.strip():
        raise Invalid("The last message is empty.", param="messages")


def _sampling(body: ChatBody) -> Sampling:
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if len(stops) > STOPS_MAX or not all(1 <= len(stop) <= STOP_MAX_CHARS for stop in stops):
        raise Invalid(f"At most {STOPS_MAX} stop texts of 1 to {STOP_MAX_CHARS} characters.", param="stop")
    if any(_NOT_TEXT.search(stop) for stop in stops):
        raise Invalid("This text holds characters that cannot be stored.", param="stop", code="invalid_text")
    return Sampling(body.temperature, body.top_p, body.seed, tuple(stops))


def to_json(prompt: Prompt) -> dict[str, Any]:
    """How a request's row keeps it."""
    return {
        "system": prompt.system,
        "messages": [[message.role, message.text] for message in prompt.messages],
        "max_tokens": prompt.max_tokens,
        "sampling": prompt.sampling.given,
    }


def from_json(kept: dict[str, Any]) -> Prompt:
    sampling = kept["sampling"]
    return Prompt(
        messages=tuple(PromptMessage(role, text) for role, text in kept["messages"]),
        system=kept["system"],
        max_tokens=kept["max_tokens"],
        sampling=Sampling(**sampling | {"stop": tuple(sampling.get("stop", ()))}),
    )


def canonical(body: ChatBody) -> str:
    """The same text for bodies that ask the same: what an idempotency key stands for."""
    # As Python: what we ignore may hold halves of characters, which pydantic's JSON cannot write.
    return json.dumps(body.model_dump(exclude_none=True), sort_keys=True, ensure_ascii=True)
