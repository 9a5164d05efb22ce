"""Somebody presses stop: at any time, and heard by any way."""

from __future__ import annotations

import asyncio

import pytest
from django.utils import timezone

from streaming import database, lifecycle, run, services
from streaming.errors import (
    ProviderRateLimited,
)
from streaming.states import Status
from tests.engine import Change, Engine, ask, has_status, row


async def stop(generation_id: str) -> str:
    return await services.request_stop(generation_id)


async def test_a_stop_before_the_first_text_ends_it_and_lets_the_provider_go(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    assert await stop(generation_id) == Status.ADMITTED
    await asyncio.wait_for(call.closed.wait(), 60)
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.finish_reason, stored.text) == (Status.STOPPED, "stopped", "")
    await engine.assert_replay_equals_text(generation_id)


async def test_a_stop_in_mid_stream_keeps_the_text_so_far(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("One ")
    await engine.sees(generation_id, "One ")
    await stop(generation_id)
    call.say("two")
    await asyncio.wait_for(call.closed.wait(), 60)
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text) == (Status.STOPPED, "One ")
    await engine.assert_replay_equals_text(generation_id)


async def test_a_stop_is_heard_while_the_provider_is_silent(rare_checkpoints: None, engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("One")
    await engine.sees(generation_id, "One")
    await stop(generation_id)
    await asyncio.wait_for(call.closed.wait(), 60)
    assert (await engine.ends(generation_id)).status == Status.STOPPED
    await engine.assert_replay_equals_text(generation_id)


async def test_a_stop_is_heard_from_the_row_when_redis_forgot_it(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    await has_status(generation_id, Status.ADMITTED)
    await database.call(lifecycle.request_stop, generation_id)
    await asyncio.wait_for(call.closed.wait(), 60)
    assert (await engine.ends(generation_id)).status == Status.STOPPED


async def test_after_a_stop_nothing_that_was_kept_back_is_shown(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("seen 👩")  # more of it may come, so it waits
    await engine.sees(generation_id, "seen ")
    await database.call(lifecycle.request_stop, generation_id)
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text) == (Status.STOPPED, "seen ")


async def test_a_stop_while_it_waits_ends_it_without_a_worker(engine: Engine) -> None:
    generation_id = await ask()
    assert await stop(generation_id) == Status.STOPPED
    await engine.start(generation_id)
    assert engine.provider.calls == []
    assert (await row(generation_id)).attempt == 0


async def test_a_stop_that_crosses_the_claim_asks_no_provider(engine: Engine) -> None:
    generation_id = await ask(stop_requested_at=timezone.now())
    await engine.start(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.attempt) == (Status.STOPPED, 1)
    assert engine.provider.calls == []


async def test_a_stop_during_the_wait_for_the_next_try_ends_it(engine: Engine, change: Change) -> None:
    engine.provider.answers.append([ProviderRateLimited(retry_after_s=0.5)])
    generation_id, _ = await engine.begin()
    await has_status(generation_id, Status.QUEUED)
    assert await stop(generation_id) == Status.STOPPED
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.attempt, len(engine.provider.calls)) == (Status.STOPPED, 1, 1)
    assert stored.text == ""


async def test_a_stop_while_the_last_text_is_on_its_way_is_no_completion(engine: Engine) -> None:
    """The log refuses the rest of the text; calling that complete would be a lie."""
    generation_id, call = await engine.begin()
    call.say("seen ")
    await engine.sees(generation_id, "seen ")
    await engine.log.request_stop(generation_id)
    call.say("never logged")
    call.finish()
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text) == (Status.STOPPED, "seen ")
    await engine.assert_replay_equals_text(generation_id)


@pytest.mark.parametrize("after_ms", [0, 1, 2, 4, 8, 16])
async def test_a_stop_that_races_the_end_leaves_one_end_and_one_text(engine: Engine, after_ms: int) -> None:
    generation_id, call = await engine.begin()
    for number in range(8):
        call.say(f"{number} ")
    call.finish()
    await asyncio.sleep(after_ms / 1000)  # where the stop falls is the test's dimension, not a wait
    await stop(generation_id)
    stored = await engine.ends(generation_id)
    assert stored.status in (Status.COMPLETED, Status.STOPPED)
    assert stored.status == Status.STOPPED or stored.text == "0 1 2 3 4 5 6 7 "
    await engine.assert_replay_equals_text(generation_id)


async def test_a_provider_that_does_not_let_go_delays_the_end_by_a_bounded_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CLOSE_WAIT_S", 0.2)
    engine.provider.holds_on = True
    generation_id, call = await engine.begin()
    call.say("One ")
    await engine.sees(generation_id, "One ")
    await stop(generation_id)
    async with asyncio.timeout(60):
        await has_status(generation_id, Status.STOPPED)
    assert not call.closed.is_set()
    await engine.assert_replay_equals_text(generation_id)
    engine.provider.let_go.set()
    await call.closed.wait()
