"""`/v1/models` and `/v1/chat/completions`, as OpenAI's clients know them. What each line of a stream must and must not
be was tried with OpenAI's own SDK: see the README of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from ninja import Header, Router

from chat.api import openai_format, sse
from chat.api.bearer import KeyAuth, key_of
from chat.api.chat_request import ChatCompletionBody
from chat.api.errors import status_of
from chat.api.following import Silence, ask_and_open, failure, follow_own
from chat.api.models import Scope
from chat.api.open_streams import OpenStream
from chat.api.openai_format import ChatFormat
from chat.api.openapi import CHAT_COMPLETION, OPENAI_PROBLEMS
from chat.api.responses import SSE, error_response, stream_response
from chat.api.schemas import ChatCompletion, OpenAIModel, OpenAIModelList
from streaming import database
from streaming import services as streaming
from streaming.errors import Refused, StreamingError
from streaming.events import Ended, Queued
from streaming.models import Generation

router = Router(tags=["OpenAI-compatible"])
#: Models have no birthday here; clients want a number.
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=64, description="the same: the same answer, asked once"),
]
CREATED = 1_700_000_000


@router.get("/models", auth=KeyAuth(Scope.READ), operation_id="list_models",
            response={200: OpenAIModelList, **OPENAI_PROBLEMS})  # fmt: skip
async def list_models(request: HttpRequest) -> HttpResponseBase:
    """The models that can be asked now."""
    return JsonResponse({"object": "list", "data": [_model(alias) for alias in _usable()]})


@router.get("/models/{model}", auth=KeyAuth(Scope.READ), operation_id="retrieve_model",
            response={200: OpenAIModel, **OPENAI_PROBLEMS})  # fmt: skip
async def retrieve_model(request: HttpRequest, model: str) -> HttpResponseBase:
    if model not in _usable():
        raise Refused(f"There is no model {model[:100]!r} here.", code="unknown_model")
    return JsonResponse(_model(model))


def _usable() -> list[str]:
    return [choice.alias for choice in streaming.model_choices() if choice.unavailable is None]


def _model(alias: str) -> dict[str, Any]:
    return {"id": alias, "object": "model", "created": CREATED, "owned_by": "chatsite"}


@router.post("/chat/completions", auth=KeyAuth(Scope.CHAT), operation_id="create_chat_completion",
             openapi_extra=CHAT_COMPLETION, response={200: ChatCompletion, **OPENAI_PROBLEMS})  # fmt: skip
async def create_chat_completion(
    request: HttpRequest, body: ChatCompletionBody, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """Ask a model; the whole history comes with the question. The connection's end ends the answer, soon after, unless
    `background` is true."""
    key = key_of(request)
    asked, stream = await ask_and_open(key, body, idempotency_key)
    options = body.stream_options
    written = ChatFormat(
        asked.generation,
        int(asked.created_at.timestamp()),
        asked.model,
        include_usage=bool(options and options.include_usage),
    )
    headers = {"X-Stream-Id": asked.generation}
    if body.stream:
        return stream_response(_chunks(stream, written), SSE, headers)
    response = await _whole(request, stream, written)
    response["X-Stream-Id"] = asked.generation
    return response


async def _chunks(stream: OpenStream, written: ChatFormat) -> AsyncGenerator[str]:
    async with aclosing(follow_own(stream)) as progress:
        try:
            yield written.role()
            async for step in progress:
                if isinstance(step, str):
                    yield written.text(step)
                elif isinstance(step, Queued):
                    yield openai_format.waiting(step)
                elif isinstance(step, Silence):
                    yield sse.comment("waiting")
                else:
                    yield await _end(written, step)
        except StreamingError as error:
            yield openai_format.error(error, status_of(error, "/v1/"))


async def _end(written: ChatFormat, ended: Ended) -> str:
    error = failure(ended)
    if error is not None:
        return openai_format.error(error, status_of(error, "/v1/"))
    return written.finish(ended) + written.usage(ended, await cached_tokens(ended)) + sse.DONE


async def _whole(request: HttpRequest, stream: OpenStream, written: ChatFormat) -> JsonResponse:
    texts: list[str] = []
    async with aclosing(follow_own(stream)) as progress:
        async for step in progress:
            if isinstance(step, str):
                texts.append(step)
            elif isinstance(step, Ended):
                error = failure(step)
                if error is not None:
                    return _failed(request, error, bool(texts))
                return JsonResponse(written.whole("".join(texts), step, await cached_tokens(step)))
    raise AssertionError("a stream ends with its end")


def _failed(request: HttpRequest, error: StreamingError, had_text: bool) -> JsonResponse:
    response = error_response(request, error)
    if had_text:  # asking again would pay for the same text again: that is the program's own decision
        response["x-should-retry"] = "false"
    return response


async def cached_tokens(ended: Ended) -> int:
    """Of the prompt's, as the provider counted them."""
    row = Generation.objects.filter(pk=ended.generation).values_list("cached_tokens", flat=True)
    try:
        return (await database.call(row.first)) or 0
    except (OSError, DatabaseError):  # the answer is whole: nothing may keep its end back
        return 0
