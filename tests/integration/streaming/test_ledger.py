"""One line per attempt, right whatever happened to it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F
from prometheus_client import CollectorRegistry

from streaming import database, dispatcher, lifecycle, metrics, services
from streaming.errors import ProviderRateLimited, ProviderUnavailable
from streaming.lane_values import Ticket
from streaming.models import Attempt
from streaming.providers.base import Finish, Text, Usage
from streaming.states import Status
from streaming.tokens import estimate_tokens
from tests.engine import Change, Engine, ask, attempts, build_prompt, change_row, row, usage_of

PROMPT_TOKENS = estimate_tokens(*build_prompt(str(uuid4())).texts)


@pytest.fixture(autouse=True)
def continuing(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but the test delivers tasks."""
    change(after_loss="continue", checkpoint_s=60.0)

    async def enqueue(generation_id: str) -> bool:
        return True

    monkeypatch.setattr(dispatcher, "enqueue", enqueue)
    monkeypatch.setattr(dispatcher, "end", enqueue)


def counted(line: Attempt) -> tuple[str, str, int | None, int | None]:
    return line.outcome, line.usage_source, line.input_tokens, line.output_tokens


async def lines(generation_id: str) -> list[tuple[str, str, int | None, int | None]]:
    return [counted(line) for line in await attempts(generation_id)]


async def reap(generation_id: str) -> None:
    assert await database.call(lifecycle.reap, "worker-under-test") == [generation_id]


async def test_a_whole_answer_costs_what_its_provider_says(engine: Engine) -> None:
    generation_id = await engine.run(Text("Tea is ready."), Usage(9, 4, 3), Finish())
    (line,) = await attempts(generation_id)
    assert counted(line) == ("completed", "provider", 9, 4)
    stored = await row(generation_id)
    assert (line.cached_tokens, line.user_id, line.model, line.provider, line.lane) == (
        3,
        stored.user_id,
        "scripted",
        "demo",
        stored.lane,
    )
    assert (line.cost_micro, line.price_source) == (None, "")  # nobody knows what the demo costs
    assert line.in_rollup is False


async def test_a_price_from_the_settings_is_the_attempts_cost(engine: Engine, settings: Any, change: Change) -> None:
    (model,) = settings.STREAMING["models"]
    change(models=(model | {"price": {"input": "3", "output": "15", "cached": "0.3"}},))
    generation_id = await engine.run(Text("Tea."), Usage(1000, 100, 500), Finish())
    (line,) = await attempts(generation_id)
    assert (line.cost_micro, line.price_source) == (500 * 3 + 150 + 100 * 15, "settings")


async def test_a_stop_is_charged_what_was_read_and_written_so_far(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("Tea is ", "ready.")
    await engine.sees(generation_id, "Tea is ready.")
    await services.request_stop(generation_id)
    await engine.idle()
    assert await lines(generation_id) == [("stopped", "counted", PROMPT_TOKENS, 4)]


async def test_a_stop_before_any_text_is_charged_the_prompt(engine: Engine) -> None:
    generation_id, _ = await engine.begin()
    await services.request_stop(generation_id)
    await engine.idle()
    assert await lines(generation_id) == [("stopped", "counted", PROMPT_TOKENS, 0)]


async def test_a_refusal_is_charged_nothing(engine: Engine, hasty_lane: None) -> None:
    engine.provider.answers.append([ProviderRateLimited(retry_after_s=0.01)])
    generation_id = await engine.run(Text("Tea."), Usage(9, 4), Finish())
    while (await row(generation_id)).status == Status.QUEUED:
        engine.start(generation_id)
        await engine.idle()
    assert await lines(generation_id) == [("retried", "", None, None), ("completed", "provider", 9, 4)]
    one, two = await attempts(generation_id)
    assert (one.error_code, one.ttft_ms, one.provider_ms) == ("rate_limited", None, None)
    assert two.ttft_ms is not None
    assert one.ended_at is not None
    again_ms = (two.started_at - one.ended_at).total_seconds() * 1000
    assert two.waited_ms is not None
    assert again_ms / 2 <= two.waited_ms <= again_ms  # since it was put back, not since it was asked


async def test_a_lost_worker_is_charged_a_guess_until_the_log_is_read(engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "Tea is ", "ready. ")
    engine.publisher.close(writer)
    generation_id = writer.generation_id
    saved = {"text": "Tea is ", "position_attempt": 1, "position_seq": 2}
    await change_row(generation_id, input_estimate=30, status=Status.STREAMING, **saved)
    await reap(generation_id)
    assert await lines(generation_id) == [("lost", "reserved", 30, 2)]
    (line,) = await attempts(generation_id)
    await database.call(Attempt.objects.filter(pk=line.pk).update, in_rollup=True)

    call = await begin_again(engine, generation_id)
    call.say("Enjoy.")
    call.send(Usage(20, 2))
    call.finish()
    await engine.ends(generation_id)
    assert await lines(generation_id) == [
        ("lost", "counted", PROMPT_TOKENS, 4),  # "Tea is ready. "
        ("completed", "provider", 20, 2),
    ]
    first, _ = await attempts(generation_id)
    assert first.in_rollup is False  # it is to be counted again
    stored = await row(generation_id)
    assert (stored.input_tokens, stored.output_tokens) == (20 + PROMPT_TOKENS, 6)


async def begin_again(engine: Engine, generation_id: str) -> Any:
    number = len(engine.provider.calls) + 1
    engine.start(generation_id)
    return await engine.provider.call(number)


async def test_a_worker_killed_after_the_providers_end_left_the_true_count_in_the_log(engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "Tea is ready.")
    await engine.publisher.append(writer, "o", usage_of(writer))
    engine.publisher.close(writer)
    await change_row(writer.generation_id, status=Status.STREAMING)
    await reap(writer.generation_id)
    call = await begin_again(engine, writer.generation_id)
    call.finish()
    await engine.ends(writer.generation_id)
    first, _ = await attempts(writer.generation_id)
    said = usage_of(writer)(writer.position)
    assert counted(first) == ("lost", "provider", said.input_tokens, said.output_tokens)


async def test_a_worker_lost_before_any_text_is_charged_the_prompt(engine: Engine) -> None:
    writer = await engine.open_stream()
    engine.publisher.close(writer)
    await change_row(writer.generation_id, input_estimate=30)
    await reap(writer.generation_id)
    assert await lines(writer.generation_id) == [("lost", "reserved", 30, 0)]
    call = await begin_again(engine, writer.generation_id)
    call.say("Tea.")
    call.finish()
    await engine.ends(writer.generation_id)
    assert (await lines(writer.generation_id))[0] == ("lost", "counted", PROMPT_TOKENS, 0)


async def test_each_attempt_is_charged_its_own_text_only(engine: Engine) -> None:
    engine.provider.answers += [
        [Text("four" * 10), ProviderUnavailable()],
        [Text("more" * 3), ProviderUnavailable()],
    ]
    generation_id = await engine.run(Text("last"), Finish())
    assert (await row(generation_id)).text == "four" * 10 + "more" * 3 + "last"
    written = [line[3] for line in await lines(generation_id)]
    assert written == [10, 3, 1]


async def test_a_refusal_between_two_losses_is_not_charged_the_text(engine: Engine) -> None:
    writer = await engine.open_stream()
    await engine.say(writer, "four" * 10)
    engine.publisher.close(writer)
    generation_id = writer.generation_id
    await change_row(generation_id, status=Status.STREAMING)
    await reap(generation_id)
    refused = await begin_again(engine, generation_id)
    refused.fail(ProviderRateLimited(retry_after_s=0.01))
    await engine.idle()
    await change_row(generation_id, lane="")
    last = asyncio.create_task(engine.runner.run(Ticket(generation_id)))
    await services.request_stop(generation_id)
    await engine.runner.run(Ticket(generation_id))
    await last
    found = await lines(generation_id)
    assert found[0] == ("lost", "counted", PROMPT_TOKENS, 10)
    assert found[1] == ("retried", "", None, None)
    assert all(line[2:] == (None, None) for line in found[2:])


async def test_the_way_to_the_first_text_is_split(engine: Engine) -> None:
    generation_id = await ask()
    asked = (await row(generation_id)).requested_at
    ticket = await engine.broker.fetch(generation_id)
    handed_ms = round(asked.timestamp() * 1000) + 40
    engine.deliver(Ticket(ticket.generation_id, ticket.admission, ticket.lane, handed_ms))
    call = await engine.provider.call()
    call.say("Tea.")
    call.finish()
    await engine.ends(generation_id)
    (line,) = await attempts(generation_id)
    assert line.waited_ms in (39, 40, 41) or line.handoff_ms == 0  # 0: it was claimed within the 40 ms
    assert line.first_text_at is not None
    assert line.provider_ms == round((line.first_text_at - line.started_at).total_seconds() * 1000)
    felt_ms = (line.first_text_at - asked).total_seconds() * 1000
    assert line.ttft_ms == pytest.approx(felt_ms, abs=10)
    assert line.ttft_ms == (line.waited_ms or 0) + (line.handoff_ms or 0) + (line.provider_ms or 0)


async def test_a_clock_that_is_ahead_makes_no_negative_waits(engine: Engine) -> None:
    generation_id = await ask()
    ticket = await engine.broker.fetch(generation_id)
    far = round(((await row(generation_id)).requested_at + timedelta(hours=1)).timestamp() * 1000)
    engine.deliver(Ticket(ticket.generation_id, ticket.admission, ticket.lane, far))
    call = await engine.provider.call()
    call.finish()
    await engine.ends(generation_id)
    (line,) = await attempts(generation_id)
    assert line.handoff_ms == 0
    assert line.waited_ms is not None
    assert line.waited_ms < 600_000


async def test_the_ledger_outlives_what_it_was_for(engine: Engine) -> None:
    generation_id = await engine.run(Text("Tea."), Usage(9, 4), Finish())
    stored = await row(generation_id)
    await database.call(stored.delete)
    left = await database.call(lambda: Attempt.objects.get())
    assert (left.generation_id, left.user_id, left.input_tokens) == (None, stored.user_id, 9)
    assert await database.call(Attempt.objects.filter(number=F("number")).count) == 1


def value(name: str, registry: CollectorRegistry = metrics.REGISTRY, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


async def test_metrics_count_what_the_ledger_has(engine: Engine) -> None:
    names = {"direction": "output", "model": "scripted"}
    before = value("chat_tokens_total", **names), value("chat_ttft_seconds_count", model="scripted")
    ends = value("chat_stream_end_total", reason="completed")
    await engine.run(Text("Tea."), Usage(9, 4), Finish())
    assert value("chat_tokens_total", **names) == before[0] + 4
    assert value("chat_ttft_seconds_count", model="scripted") == before[1] + 1
    assert value("chat_stream_end_total", reason="completed") == ends + 1
    assert value("chat_streams_active") == 0
    assert value("chat_streams_peak") >= 1
