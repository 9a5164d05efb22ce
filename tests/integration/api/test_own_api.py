"""Conversations, usage and errors under `/api/v1`."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chat.models import Conversation
from streaming import database
from streaming.models import Generation
from streaming.providers.base import Finish, Text, Usage
from tests.engine import ScriptedProvider, until
from tests.integration.api.program import HELLO, Program, make_program

TALKS = "/api/v1/conversations"


async def make(program: Program, title: str = "Talk") -> str:
    made = await program.http.post(TALKS, json={"title": title})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_a_conversation_is_made_renamed_and_deleted(program: Program) -> None:
    path = f"{TALKS}/{await make(program)}"
    assert (await program.http.get(path)).json()["role"] == "owner"
    renamed = await program.http.patch(path, json={"title": "Tea"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Tea")
    assert (await program.http.delete(path)).status_code == 204
    assert (await program.http.get(path)).status_code == 404
    assert (await program.http.get(TALKS)).json() == {"items": [], "next_cursor": None}


async def test_deleting_stops_what_is_being_written(program: Program, provider: ScriptedProvider) -> None:
    path = f"{TALKS}/{await make(program)}"
    await program.http.post(f"{path}/messages", json={"text": "Hello?"})
    call = await provider.call()
    assert (await program.http.delete(path)).status_code == 204
    await until(call.closed.is_set)


async def test_a_list_is_read_in_pages(program: Program) -> None:
    made = [await make(program, f"Talk {number}") for number in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await program.http.get(TALKS, params={"limit": 2, **cursor})).json()
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == made[::-1]


async def test_messages_are_read_in_pages(program: Program, provider: ScriptedProvider) -> None:
    path = f"{TALKS}/{await make(program)}/messages"
    provider.answers.append([Text("Good day."), Finish()])
    await program.http.post(path, json={"text": "Hello?"})

    async def answered() -> Any:
        items = (await program.http.get(path)).json()["items"]
        return items if items[-1]["text"] == "Good day." else None

    items = await until(answered)
    assert [item["role"] for item in items] == ["user", "assistant"]
    newest = (await program.http.get(path, params={"limit": 1})).json()
    assert [item["id"] for item in newest["items"]] == [items[1]["id"]]
    older = (await program.http.get(path, params={"before": newest["next_before"]})).json()
    assert ([item["id"] for item in older["items"]], older["next_before"]) == ([items[0]["id"]], None)


async def test_usage_adds_up_by_model(program: Program, provider: ScriptedProvider) -> None:
    provider.answers += [[Text("Hi."), Usage(3, 4, 1), Finish()]] * 2
    for _ in range(2):
        await program.sdk.chat.completions.create(model="scripted", messages=HELLO)  # type: ignore[arg-type]
    (used,) = (await program.http.get("/api/v1/usage")).json()["models"]
    assert (used["model"], used["requests"]) == ("scripted", 2)
    assert (used["input_tokens"], used["output_tokens"], used["cached_tokens"]) == (6, 8, 2)
    other = await database.call(make_program, program.server)
    assert (await other.http.get("/api/v1/usage")).json()["models"] == []
    await other.aclose()


async def test_models_are_listed_with_their_waits(program: Program) -> None:
    (model,) = (await program.http.get("/api/v1/models")).json()["items"]
    assert (model["id"], model["unavailable"]) == ("scripted", None)


ONE = f"{TALKS}/{uuid.uuid4()}"
WRONG: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "unknown path": ("GET", "/api/v1/nothing", {}, 404, "not_found"),
    "unknown conversation": ("GET", ONE, {}, 404, "not_found"),
    "a message to nowhere": ("POST", f"{ONE}/messages", {"json": {"text": "Hi"}}, 404, "not_found"),
    "no id": ("GET", f"{TALKS}/1", {}, 404, "not_found"),
    "unknown stream": ("GET", f"/api/v1/streams/{uuid.uuid4()}/events", {}, 404, "not_found"),
    "wrong method": ("PUT", TALKS, {}, 405, "method_not_allowed"),
    "unknown field": ("POST", TALKS, {"json": {"titel": "Tea"}}, 422, "invalid_value"),
    "wrong type": ("POST", TALKS, {"json": {"title": 3}}, 422, "invalid_value"),
    "NUL": ("POST", TALKS, {"json": {"system_prompt": "a\0"}}, 422, "invalid_value"),
    "empty message": ("POST", f"{ONE}/messages", {"json": {"text": ""}}, 422, "invalid_value"),
    "long key": ("POST", f"{ONE}/messages", {"json": {"text": "Hi"}, "headers": {"Idempotency-Key": "x" * 65}}, 422,
                 "invalid_value"),
    "broken JSON": ("POST", TALKS, {"content": b"{"}, 400, "invalid_json"),
    "10 MB": ("POST", TALKS, {"content": b"x" * 10_000_000}, 413, "too_large"),
    "no cursor": ("GET", f"{TALKS}?cursor=x", {}, 400, "bad_cursor"),
    "no number": ("GET", f"{TALKS}?limit=many", {}, 422, "invalid_value"),
    "strange form": ("GET", f"/api/v1/streams/{uuid.uuid4()}/events", {"headers": {"Accept": "image/png"}}, 406,
                     "not_acceptable"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_wrong_is_a_problem_in_one_form(program: Program, wrong: str) -> None:
    method, path, options, status, code = WRONG[wrong]
    response = await program.http.request(method, path, **options)
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    assert problem["request_id"] == response.headers["x-request-id"]
    assert await database.call(lambda: Conversation.objects.count() + Generation.objects.count()) == 0


async def test_a_fault_of_ours_is_a_problem_as_well(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from chat import people

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(people, "create_conversation", fail)
    response = await program.http.post(TALKS, json={})
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text


async def test_the_rate_is_told_with_every_answer(program: Program) -> None:
    response = await program.http.get(TALKS)
    assert response.headers["ratelimit-policy"] == '"requests";q=120;w=60'
    assert response.headers["ratelimit"].startswith('"requests";r=119;t=')


async def test_the_documents_name_every_operation(program: Program) -> None:
    for path in ("/api/v1/openapi.json", "/v1/openapi.json"):
        document = (await program.http.get(path)).json()
        operations = [operation for item in document["paths"].values() for operation in item.values()]
        names = [operation["operationId"] for operation in operations]
        assert len(set(names)) == len(names) >= 5
        for operation in operations:
            assert {"401", "404", "429"} <= operation["responses"].keys()
    assert (await program.http.get("/api/v1/docs")).status_code == 200
    for docs in ("/api/v1/docs", "/v1/docs"):
        slashed = await program.http.get(f"{docs}/", follow_redirects=False)
        assert (slashed.status_code, slashed.headers["location"]) == (302, docs)
