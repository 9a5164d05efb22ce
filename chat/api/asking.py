"""A question of a program that brings its whole history: checked, written, handed to the engine. Rows first, as with
every other question: the request's row holds the prompt until its answer has ended."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from chat import budget_notices, sockets
from chat.api import chat_request, key_watch
from chat.api.chat_request import ChatBody
from chat.api.errors import Invalid
from chat.api.models import ApiKey, ApiRequest
from streaming import database
from streaming import services as streaming
from streaming.errors import Refused
from streaming.models import Generation
from streaming.prompt import Prompt
from streaming.tokens import estimate_tokens


@dataclass(frozen=True, slots=True)
class Asked:
    """`model` is the alias that answers. `again`: the same was asked before under this idempotency key."""

    generation: str
    model: str
    created_at: datetime
    in_background: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Question:
    user: Any
    key: ApiKey
    model: str
    prompt: Prompt
    in_background: bool
    idempotency_key: str | None
    body_hash: str


async def ask(key: ApiKey, body: ChatBody, idempotency_key: str | None = None) -> Asked:
    """Accept a request and start it. Raises Refused; then nothing was queued."""
    prompt = chat_request.prompt_of(body)
    model = streaming.choose_model(body.model, prompt.messages[-1].text, lambda: len(body.messages))
    if (name := streaming.check_parameters(model, prompt.sampling.given)) is not None:
        raise Invalid(f"The model {model!r} does not take {name!r}.", param=name, code="unsupported_parameter")
    body_hash = hashlib.sha256(chat_request.canonical(body).encode()).hexdigest()
    question = _Question(key.user, key, model, prompt, bool(body.background), _checked(idempotency_key), body_hash)
    before = await database.call(_asked_before, question)
    if before is not None:
        return before
    await streaming.check_wait(key.user_id, model)
    asked = await database.call(_accept, question)
    key_watch.accepted(key)
    if not asked.again:
        sockets.get().in_background(streaming.dispatch(asked.generation))
        sockets.get().in_background(budget_notices.tell(key.user_id))
    return asked


def _checked(idempotency_key: str | None) -> str | None:
    if not idempotency_key:
        return None
    if len(idempotency_key) > chat_request.NAME_MAX_CHARS or not idempotency_key.isprintable():
        raise Invalid(f"An Idempotency-Key has at most {chat_request.NAME_MAX_CHARS} characters.", code="bad_field")
    return idempotency_key


def _asked_before(question: _Question) -> Asked | None:
    if question.idempotency_key is None:
        return None
    rows = ApiRequest.objects.filter(user=question.user, idempotency_key=question.idempotency_key)
    found = rows.select_related("generation").defer("generation__text", "prompt").first()
    if found is None:
        return None
    if found.body_hash != question.body_hash:
        raise Refused("This Idempotency-Key was used for another request already.", code="conflict")
    rows.update(left_at=None, readers=F("readers") + 1)  # its program is back
    generation = found.generation
    return Asked(str(generation.pk), generation.model, generation.requested_at, found.in_background, again=True)


def _accept(question: _Question) -> Asked:
    try:
        generation = _write(question)
    except IntegrityError:
        # The same request arrived at the same time by another way; the unique constraint let one of them in.
        before = _asked_before(question)
        if before is None:
            raise
        return before
    return Asked(str(generation.pk), generation.model, generation.requested_at, question.in_background)


@transaction.atomic
def _write(question: _Question) -> Generation:
    prompt = question.prompt
    generation = streaming.request_generation(
        user_id=question.user.pk,
        model=question.model,
        input_estimate=estimate_tokens(*prompt.texts),
        max_tokens=prompt.max_tokens,
    )
    ApiRequest.objects.create(
        generation=generation,
        user=question.user,
        key=question.key,
        prompt=chat_request.to_json(prompt),
        in_background=question.in_background,
        idempotency_key=question.idempotency_key,
        body_hash=question.body_hash,
    )
    return generation
