"""What a provider's refusal means for a lane and for the one who met it: the same place, and no lost try."""

from __future__ import annotations

import asyncio

import pytest
from django.utils import timezone
from redis.asyncio import Redis

from streaming import dispatcher, lanes
from streaming.errors import (
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderSpendLimit,
    ProviderUnavailable,
)
from streaming.events import Queued, decode
from streaming.providers.base import Text
from streaming.states import Status
from tests import engine as doubles
from tests.engine import LANE, Change, Engine, ask, has_status, open_lane, row, until
from tests.integration.streaming.lane_sight import (
    asked_for,
    forget_lane,
    in_line,
    limit,
    retried,
    running,
    seen,
    stop_clock,
    waits,
)


async def finish(engine: Engine, number: int) -> str:
    call = await engine.provider.call(number)
    call.say("x")
    call.finish()
    generation_id = await asked_for(engine, number)
    await has_status(generation_id, Status.COMPLETED)
    return generation_id


async def test_a_429_keeps_the_place_and_is_no_error(engine: Engine, frames: list[str]) -> None:
    await limit(concurrency=1)
    first, second = await in_line(engine, 2)
    (await engine.provider.call()).fail(ProviderRateLimited(retry_after_s=20.0))
    stored = await retried(first)
    place = await waits(first)
    assert (stored.status, stored.provider_errors, stored.wait_reason) == (Status.QUEUED, 0, "retrying")
    assert place.place < (await waits(second)).place
    paused = await seen()
    assert (paused.closed, 18 < paused.closed_s <= 20.5) == ("paused", True)
    assert len(engine.provider.calls) == 1
    told = [event for frame in frames if isinstance(event := decode(frame), Queued)]
    assert [event.message for event in told] == ["The model's provider asked us to wait 20 s."]
    assert told[0].retry_in_s is not None
    assert 20 <= told[0].retry_in_s <= 21
    assert stored.wait_until is not None
    assert stored.wait_until > timezone.now()
    hastening = asyncio.create_task(doubles.hasten_lane())
    try:
        assert [await finish(engine, 2), await finish(engine, 3)] == [first, second]
    finally:
        hastening.cancel()
    assert (await row(first)).provider_errors == 0


async def test_a_429_after_text_goes_on_from_it(engine: Engine, change: Change, hasty_lane: None) -> None:
    change(after_loss="continue")
    generation_id, call = await engine.begin()
    call.say("one ")
    await engine.sees(generation_id, "one ")
    call.fail(ProviderRateLimited(retry_after_s=20.0))
    again = await engine.provider.call(2)
    again.say("two")
    again.finish()
    stored = await engine.ends(generation_id)
    assert (stored.text, stored.provider_errors) == ("one two", 0)
    await engine.assert_replay_equals_text(generation_id)


async def test_a_429_that_nobody_waits_out_closes_the_lane_for_the_others(engine: Engine) -> None:
    generation_id = await engine.run(ProviderRateLimited(retry_after_s=600.0))
    assert (await row(generation_id)).status == Status.FAILED
    assert (await seen()).closed == "paused"
    (later,) = await in_line(engine, 1)
    await waits(later)
    assert len(engine.provider.calls) == 1


async def test_the_budget_that_a_429_shows_empty_is_empty_here_too(engine: Engine) -> None:
    await limit(requests_per_minute=600)
    refusal = ProviderRateLimited(retry_after_s=20.0)
    names = {"limit": "600", "remaining": "0", "reset": "2030-01-01T00:00:00Z"}
    refusal.headers = {f"anthropic-ratelimit-requests-{name}": value for name, value in names.items()}
    generation_id, call = await engine.begin()
    full = (await seen()).buckets["r"]
    call.fail(refusal)
    await retried(generation_id)
    await waits(generation_id)
    bucket = (await seen()).buckets["r"]
    assert bucket.level < 20 < full.level
    assert bucket.rate == full.rate  # the levels explain it: nobody is slowed


async def test_a_429_that_nothing_explains_slows_the_lane(engine: Engine) -> None:
    await limit(requests_per_minute=600)
    generation_id, call = await engine.begin()
    before = (await seen()).buckets["r"].rate
    call.fail(ProviderRateLimited(retry_after_s=20.0))
    await retried(generation_id)
    await waits(generation_id)
    assert (await seen()).buckets["r"].rate == pytest.approx(0.8 * before)


async def test_an_overload_lets_one_try_and_the_others_wait(engine: Engine, hasty_lane: None) -> None:
    await limit(concurrency=3)
    ids = await in_line(engine, 3)
    for number in (1, 2, 3):
        (await engine.provider.call(number)).fail(ProviderOverloaded())
    probe = await engine.provider.call(4)
    await waits((await still_waiting(ids))[0])
    assert len(engine.provider.calls) == 4
    probe.say("x")
    probe.finish()
    for number in (5, 6):
        await finish(engine, number)
    assert {(await row(generation_id)).provider_errors for generation_id in ids} == {1}


async def still_waiting(ids: list[str]) -> list[str]:
    return [generation_id for generation_id in ids if (await row(generation_id)).status == Status.QUEUED]


async def test_another_failure_keeps_its_slot_for_the_moment_until_the_next_try(engine: Engine, change: Change) -> None:
    change(retry_base_s=0.3)
    await limit(concurrency=1)
    first, second = await in_line(engine, 2)
    (await engine.provider.call()).fail(ProviderUnavailable())
    await retried(first)
    assert await running() == 1
    await waits(second)
    assert [await finish(engine, 2), await finish(engine, 3)] == [first, second]
    assert (await row(first)).provider_errors == 1


async def test_an_account_without_credit_closes_the_lane_until_somebody_opens_it(engine: Engine) -> None:
    generation_id = await engine.run(ProviderSpendLimit("The account is out of credit."))
    assert (await row(generation_id)).error_code == "spend_limit"
    blocked = await seen()
    assert (blocked.closed, blocked.blocked) == ("blocked", "The account is out of credit.")
    (later,) = await in_line(engine, 1)
    await waits(later)
    assert len(engine.provider.calls) == 1
    await dispatcher.start((await lanes.store(LANE).unblock()).admitted)
    assert await finish(engine, 2) == later


async def test_a_refusal_whose_lane_is_lost_meanwhile_loses_nothing(engine: Engine, direct: Redis) -> None:
    generation_id, call = await engine.begin()
    await forget_lane(direct)
    call.fail(ProviderRateLimited(retry_after_s=0.01))
    stored = await retried(generation_id)
    assert stored.status == Status.QUEUED
    await engine.idle()
    await open_lane()
    assert await dispatcher.wake(generation_id)
    assert await finish(engine, 2) == generation_id


async def test_a_drain_hands_a_waiting_retry_to_another_worker(engine: Engine, change: Change) -> None:
    change(retry_base_s=60.0, retry_max_s=60.0)
    generation_id, call = await engine.begin()
    call.fail(ProviderUnavailable())
    await retried(generation_id)
    await until(lambda: engine.runner._resting)
    engine.runner.drain()
    await until(lambda: generation_id in engine.broker.box)
    other = Engine(engine.provider, engine.broker)
    try:
        other.start(generation_id)
        assert await finish(engine, 2) == generation_id
    finally:
        await other.aclose_workers()


async def test_what_a_broken_answer_used_is_charged_though_it_is_tried_again(engine: Engine, change: Change) -> None:
    change(after_loss="continue")
    await stop_clock()
    await limit(output_tokens_per_minute=60_000)
    before = (await seen()).buckets["o"].level
    engine.provider.answers += [[Text("x" * 400), ProviderUnavailable()]]
    await ask_and_end(engine)
    assert round(before - (await seen()).buckets["o"].level) == 100 + 5


async def ask_and_end(engine: Engine) -> None:
    generation_id = await ask()
    engine.start(generation_id)
    again = await engine.provider.call(2)
    again.say("y" * 20)
    again.finish()
    await engine.ends(generation_id)


async def test_what_never_fits_ends_and_keeps_nobody_waiting(engine: Engine, hasty_lane: None) -> None:
    """Each refusal says when to ask again, as if waiting could help."""
    await limit(concurrency=1)
    (too_large,) = await in_line(engine, 1, input_estimate=50_000)
    (behind,) = await in_line(engine, 1)
    for number in (1, 2):
        refusal = ProviderRateLimited(retry_after_s=20.0)
        refusal.headers = {f"anthropic-ratelimit-input-tokens-{name}": "30000" for name in ("limit", "remaining")}
        (await engine.provider.call(number)).fail(refusal)
    assert await finish(engine, 3) == behind
    stored = await row(too_large)
    assert (stored.status, stored.error_code, stored.error_retryable) == (Status.FAILED, "context_too_long", False)
