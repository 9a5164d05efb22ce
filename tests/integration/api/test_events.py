"""An answer's events over HTTP: the way of one message through the API, resuming, and the end."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from chat.api import open_streams, revoking
from chat.api.models import KeyMessage
from chat.models import Participant
from streaming import database, dispatcher
from streaming.providers.base import Usage
from tests.engine import Call, Engine, ScriptedProvider, row, until
from tests.integration.api.events import reading
from tests.integration.api.program import HELLO, Program, make_program


async def ask(program: Program, **options: Any) -> dict[str, Any]:
    """A question in a new conversation: what its 202 says."""
    made = await program.http.post("/api/v1/conversations", json={"title": "Talk"})
    assert made.status_code == 201, made.text
    path = f"/api/v1/conversations/{made.json()['id']}/messages"
    sent = await program.http.post(path, json={"text": "Hello?"}, **options)
    assert sent.status_code == 202, sent.text
    answer: dict[str, Any] = sent.json()
    return answer


async def begun(program: Program, provider: ScriptedProvider) -> tuple[str, Call]:
    """The events' path of an answer whose model was asked."""
    sent = await ask(program)
    return sent["events_url"], await provider.call(len(provider.calls) or 1)


async def ended(program: Program, provider: ScriptedProvider, engine: Engine, *texts: str) -> str:
    path, call = await begun(program, provider)
    call.say(*texts)
    call.finish()
    await engine.ends(path.split("/")[-2])
    return path


async def test_a_question_and_its_answer(program: Program, provider: ScriptedProvider, engine: Engine) -> None:
    sent = await ask(program)
    assert (sent["state"], sent["position"]) == ("sent", 0)
    call = await provider.call()
    async with reading(program.http, sent["events_url"]) as reader:
        call.say("Good ", "day.")
        call.send(Usage(3, 4))
        call.finish()
        events = await reader.all()
    assert reader.response.headers["content-type"].startswith("text/event-stream")
    assert reader.response.headers["x-accel-buffering"] == "no"
    assert "no-cache" in reader.response.headers["cache-control"]
    assert reader.response.headers["x-content-type-options"] == "nosniff"
    assert reader.text == "Good day."
    assert events[-1].name == "stream.completed"
    assert events[-1].id is not None
    state = (await program.http.get(f"/api/v1/streams/{sent['stream_id']}")).json()
    assert (state["status"], state["text"], state["usage"]["input_tokens"]) == ("completed", "Good day.", 3)
    message = (await program.http.get(sent["message_url"])).json()
    assert (message["text"], message["role"]) == ("Hello?", "user")


async def test_without_a_queue_nobody_knows_the_place(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(generation_id: str) -> bool:
        return False

    monkeypatch.setattr(dispatcher, "enqueue", away)
    named = {"headers": {"Idempotency-Key": "once"}}
    made = await program.http.post("/api/v1/conversations", json={"title": "Talk"})
    path = f"/api/v1/conversations/{made.json()['id']}/messages"
    for _ in range(2):  # and not the second time either, when there is nothing to start
        sent = (await program.http.post(path, json={"text": "Hello?"}, **named)).json()
        assert sent["stream_id"]
        assert (sent["state"], sent["position"], sent["eta_s"]) == ("sent", None, None)


async def test_who_comes_back_gets_exactly_what_was_missed(program: Program, provider: ScriptedProvider) -> None:
    path, call = await begun(program, provider)
    async with reading(program.http, path) as reader:
        call.say("Good ")
        await reader.until("stream.delta")
    call.say("day")
    call.finish()
    async with reading(program.http, path, headers={"Last-Event-ID": str(reader.last_id)}) as again:
        events = await again.all()
    assert reader.text + again.text == "Good day"
    assert "stream.snapshot" not in [event.name for event in events]
    response = await program.http.get(path, params={"starting_after": str(again.last_id)})
    assert response.status_code == 204


async def test_lines_of_json_are_the_same_events(program: Program, provider: ScriptedProvider, engine: Engine) -> None:
    path = await ended(program, provider, engine, "Good ", "day")
    for kind in ("application/x-ndjson", "application/jsonl"):
        response = await program.http.get(path, headers={"Accept": kind})
        assert response.headers["content-type"].startswith(kind)
        lines = [json.loads(line) for line in response.text.splitlines()]
        assert [line["type"] for line in lines] == ["stream.snapshot", "stream.completed"]
        assert lines[0]["text"] == "Good day"
        last = await program.http.get(path, params={"starting_after": lines[-1]["id"]})
        assert last.status_code == 204


async def test_a_snapshot_serves_when_the_log_is_gone(
    program: Program, provider: ScriptedProvider, engine: Engine
) -> None:
    path = await ended(program, provider, engine, "Good day")
    async with reading(program.http, path) as reader:
        await reader.all()
    await engine.log._client.flushall()
    async with reading(program.http, path) as again:
        events = await again.all()
    assert [event.name for event in events] == ["stream.snapshot", "stream.completed"]
    assert again.text == reader.text == "Good day"
    assert (await program.http.get(path, headers={"Last-Event-ID": str(again.last_id)})).status_code == 204


async def test_cursors_that_cannot_be_are_refused(program: Program, provider: ScriptedProvider, engine: Engine) -> None:
    path = await ended(program, provider, engine, "Good day")
    async with reading(program.http, path) as reader:
        await reader.all()
    position, epoch, tag = str(reader.last_id).split(".")
    wrong = {
        "nonsense": "bad_cursor",
        f"{position}.{epoch}.00000000": "bad_cursor",
        "1-999": "future_position",
        f"1-999.{epoch}.{tag}": "future_position",
        "99-1": "future_position",
    }
    for cursor, code in wrong.items():
        response = await program.http.get(path, params={"starting_after": cursor})
        assert (response.status_code, response.json()["code"]) == (400, code), cursor
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["param"] == "starting_after"


async def test_an_epoch_that_is_gone_is_no_mistake_of_the_program(
    program: Program, provider: ScriptedProvider, engine: Engine
) -> None:
    path = await ended(program, provider, engine, "Good day")
    tag = path.split("/")[-2][:8]
    async with reading(program.http, path, params={"starting_after": f"1-2.abcdef.{tag}"}) as reader:
        events = await reader.all()
    assert events[0].data["recovered"] is False
    assert reader.text == "Good day"


async def test_what_is_not_ones_own_looks_like_nothing(program: Program, provider: ScriptedProvider) -> None:
    path, _ = await begun(program, provider)
    other = await database.call(make_program, program.server)
    answers = [await other.http.get(path), await other.http.get(f"/api/v1/streams/{uuid.uuid4()}/events")]
    answers += [await other.http.post(path.replace("/events", "/stop"))]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert len({answer.json()["detail"] for answer in answers}) == 1
    await other.aclose()


async def test_a_stream_is_stopped(program: Program, provider: ScriptedProvider, engine: Engine) -> None:
    path, call = await begun(program, provider)
    async with reading(program.http, path) as reader:
        call.say("Good ")
        await reader.until("stream.delta")
        stopped = await program.http.post(path.replace("/events", "/stop"))
        assert (stopped.status_code, stopped.json()["status"]) == (202, "streaming")
        await reader.until("stream.stopped")
    assert reader.text == "Good "


async def test_the_same_idempotency_key_is_the_same_question(program: Program, provider: ScriptedProvider) -> None:
    made = (await program.http.post("/api/v1/conversations", json={})).json()
    path, headers = f"/api/v1/conversations/{made['id']}/messages", {"Idempotency-Key": "once"}
    sent = [(await program.http.post(path, json={"text": "Hello?"}, headers=headers)).json() for _ in range(2)]
    assert sent[0]["stream_id"] == sent[1]["stream_id"]
    assert len((await program.http.get(path)).json()["items"]) == 2
    waiting = (await program.http.post(path, json={"text": "And?"})).json()
    assert (waiting["state"], waiting["stream_id"]) == ("pending", None)


async def test_a_silent_stream_shows_signs_of_life(program: Program, provider: ScriptedProvider, settings: Any) -> None:
    settings.API = {"heartbeat_s": 0.05}
    path, call = await begun(program, provider)
    async with reading(program.http, path) as reader:
        call.say("Good ")
        await reader.until("stream.delta")
        silent = asyncio.create_task(reader.until("stream.completed"))
        await until(lambda: reader.comments[1:])
        call.say("day")
        call.finish()
        await silent
    assert "keep-alive" in reader.comments
    async with program.http.stream("GET", path, headers={"Accept": "application/x-ndjson"}) as response:
        assert all(map(json.loads, filter(None, (await response.aread()).decode().split("\n"))))


async def streams_of(program: Program) -> int:
    async def count() -> int:
        return len(open_streams.get().all)

    found: int = await program.server.within(count)
    return found


async def test_a_reader_that_goes_away_frees_its_place_at_once(program: Program, provider: ScriptedProvider) -> None:
    path, call = await begun(program, provider)
    async with reading(program.http, path) as reader:
        call.say("Good ")
        await reader.until("stream.delta")
        assert await streams_of(program) == 1

    async def gone() -> bool:
        return await streams_of(program) == 0

    await until(gone)


@pytest.mark.parametrize("how", ["revoked", "removed"])
async def test_a_right_that_is_withdrawn_ends_the_stream(
    program: Program, provider: ScriptedProvider, how: str
) -> None:
    path, call = await begun(program, provider)
    # What is read is not what the key asked for, which ends with it.
    await database.call(KeyMessage.objects.all().delete)
    async with reading(program.http, path) as reader:
        call.say("Good ")
        await reader.until("stream.delta")
        if how == "revoked":
            await revoking.revoke(program.key)
        else:
            await database.call(Participant.objects.filter(user=program.user).delete)
        error = await reader.until("error")
    assert error.data["code"] == ("invalid_api_key" if how == "revoked" else "forbidden")


async def test_a_server_that_ends_lets_its_readers_go(program: Program, provider: ScriptedProvider) -> None:
    path, call = await begun(program, provider)
    sdk = await program.sdk.chat.completions.create(model="scripted", messages=HELLO, stream=True)  # type: ignore[call-overload]

    async def end() -> None:
        open_streams.get().end()

    async with reading(program.http, path) as reader:
        call.say("Good ")
        await reader.until("stream.delta")
        await program.server.within(end)
        assert (await reader.all())[-1].data["code"] == "restarting"
    with pytest.raises(Exception, match="restarts"):
        [chunk async for chunk in sdk]
    response = await program.http.get(path)
    assert (response.status_code, response.json()["code"]) == (503, "restarting")
    assert response.headers["retry-after"] == "1"
    assert (await row(path.split("/")[-2])).stop_requested_at is None
