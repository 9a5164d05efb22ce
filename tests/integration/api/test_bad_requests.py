"""Everything that is wrong with a request: the documented error, the SDK's own exception class, nothing queued."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import openai
import pytest
from django.utils import timezone

from chat.api import revoking
from chat.api.models import ApiKey, ApiRequest, Scope
from streaming import database
from streaming.models import Generation
from tests.engine import Change
from tests.integration.api.program import HELLO, Program, make_program

ANSWER = {"role": "assistant", "content": "Hm."}


def rows() -> int:
    return Generation.objects.count() + ApiRequest.objects.count()


@pytest.fixture(autouse=True)
async def nothing_queued(program: Program) -> AsyncIterator[None]:
    yield
    assert await database.call(rows) == 0


INVALID, UNSUPPORTED = "invalid_value", "unsupported_parameter"
PICTURE = {"type": "image_url", "image_url": {"url": "x"}}


def said(role: str, content: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content}]}


#: What is wrong: the fields, the error's code and its parameter.
WRONG: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "unknown model": ({"model": "gpt-9"}, "model_not_found", None),
    "no messages": ({"messages": []}, INVALID, "messages"),
    "empty message": (said("user", " "), INVALID, "messages"),
    "nothing to answer": ({"messages": [*HELLO, ANSWER]}, INVALID, "messages"),
    "wrong role": (said("boss", "Hi"), INVALID, "messages.0.role"),
    "tool role": (said("tool", "Hi"), UNSUPPORTED, "messages.0.role"),
    "no content": (said("user", None), INVALID, "messages.0.content"),
    "picture": (said("user", [PICTURE]), "unsupported_content", "messages.0.content.0"),
    "NUL": (said("user", "a\0b"), "invalid_text", "messages.0.content"),
    "tools": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, UNSUPPORTED, "tools"),
    "several answers": ({"n": 2}, UNSUPPORTED, "n"),
    "JSON mode": ({"response_format": {"type": "json_object"}}, UNSUPPORTED, "response_format"),
    "log probabilities": ({"logprobs": True}, UNSUPPORTED, "logprobs"),
    "hot": ({"temperature": 3}, INVALID, "temperature"),
    "no tokens": ({"max_tokens": 0}, INVALID, "max_tokens"),
    "five stops": ({"stop": list("abcde")}, INVALID, "stop"),
    "long prompt": (said("user", "x" * 200_001), "context_length_exceeded", "messages"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_request_is_refused(program: Program, wrong: str) -> None:
    fields, code, param = WRONG[wrong]
    kind = openai.NotFoundError if code == "model_not_found" else openai.BadRequestError
    for stream in (False, True):
        asked = {"model": "scripted", "messages": HELLO, "stream": stream, **fields}
        with pytest.raises(kind) as refused:
            await program.sdk.chat.completions.create(**asked)
        assert (refused.value.code, refused.value.param) == (code, param)
        assert refused.value.response.headers["x-should-retry"] == "false"
        assert refused.value.request_id.startswith("req_")  # type: ignore[union-attr]


async def test_a_parameter_that_this_model_does_not_take_is_refused(program: Program, change: Change) -> None:
    entry = {"alias": "scripted", "label": "S", "provider": "demo", "model": "s", "options": {"parameters": ["stop"]}}
    change(models=(entry,))
    with pytest.raises(openai.BadRequestError) as refused:
        await program.sdk.chat.completions.create(model="scripted", messages=HELLO, temperature=0.5)  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "temperature")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"{", 400, "invalid_json"), (b"[]", 400, "invalid_json"), (b'{"model":"a","model":"b"}', 400, "invalid_json"),
     (b"\xff", 400, "invalid_json"), (b'{"n":' + b"[" * 500, 400, "invalid_json"), (b"", 400, "invalid_value"),
     (b"x" * 10_000_000, 413, "too_large")],
    ids=["broken", "a list", "a key twice", "not UTF-8", "deep", "empty", "10 MB"],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_refused(program: Program, content: bytes, status: int, code: str) -> None:
    response = await program.http.post("/v1/chat/completions", content=content)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/v1/chat/completions", 405, "method_not_allowed"), ("GET", "/v1/nothing", 404, "not_found"),
     ("GET", "/v1/models/nothing", 404, "model_not_found")],
)  # fmt: skip
async def test_wrong_paths_and_methods_are_errors_of_the_same_form(
    program: Program, method: str, path: str, status: int, code: str
) -> None:
    response = await program.http.request(method, path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers["content-type"] == "application/json"


async def _end_key(program: Program, how: str) -> None:
    if how == "inactive":
        program.user.is_active = False
        await database.call(program.user.save)
    elif how == "expired":
        rows = ApiKey.objects.filter(pk=program.key.pk)
        await database.call(rows.update, expires_at=timezone.now() - timedelta(seconds=1))
    else:
        await revoking.revoke(program.key)


@pytest.mark.parametrize("how", ["revoked", "expired", "inactive"])
async def test_a_key_that_ended_gets_nobody_in(program: Program, how: str) -> None:
    await program.sdk.models.list()
    await _end_key(program, how)
    with pytest.raises(openai.AuthenticationError) as refused:
        await program.sdk.chat.completions.create(model="scripted", messages=HELLO)  # type: ignore[arg-type]
    assert refused.value.code == "invalid_api_key"
    assert refused.value.response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer " + "x" * 500])
async def test_without_a_key_nothing_is_told(program: Program, header: str) -> None:
    response = await program.http.get("/v1/models", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"


async def test_a_key_without_the_scope_may_not_ask(program: Program) -> None:
    reader = await database.call(make_program, program.server, (Scope.READ,))
    with pytest.raises(openai.PermissionDeniedError) as refused:
        await reader.sdk.chat.completions.create(model="scripted", messages=HELLO)
    assert refused.value.code == "missing_scope"
    assert await reader.sdk.models.list()
    await reader.aclose()


async def test_who_asks_too_often_is_told_when_to_come_back(program: Program, settings: Any) -> None:
    settings.API = {"requests_per_minute": 2}
    first = await program.http.get("/v1/models")
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    await program.http.get("/v1/models")
    with pytest.raises(openai.RateLimitError) as refused:
        await program.sdk.models.list()
    assert refused.value.code == "rate_limited"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 30
    assert refused.value.response.headers["x-should-retry"] == "true"
