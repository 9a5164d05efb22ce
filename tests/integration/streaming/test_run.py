"""One claimed attempt, and everything a model or a filter can do to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streaming import hooks
from streaming.errors import (
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    Vetoed,
)
from streaming.events import Queued, Started, decode
from streaming.providers.base import Finish, Part, Reasoning, Text, Usage
from streaming.states import Status
from tests.engine import Change, Engine, ask, attempts, row

# The provider fails before any text.


async def test_a_failure_before_text_is_tried_again_and_people_are_told(engine: Engine, frames: list[str]) -> None:
    engine.provider.answers.append([Usage(4, 0), ProviderUnavailable()])
    generation_id = await engine.run(Text("at last"), Usage(5, 2), Finish())
    engine.provider.answers.clear()
    # `run` planned the second answer; the first came from the line above it.
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.attempt, stored.provider_errors) == (Status.COMPLETED, "at last", 2, 1)
    first, second = await attempts(generation_id)
    assert (first.outcome, first.error_code, first.input_tokens) == ("retried", "provider_unavailable", 4)
    assert (second.outcome, second.output_tokens) == ("completed", 2)
    (queued,) = [decode(frame) for frame in frames]
    assert isinstance(queued, Queued)
    assert (queued.reason, queued.message) == ("retrying", ProviderUnavailable.message)
    assert queued.retry_in_s is not None
    starts = [event for event in await engine.events(generation_id) if isinstance(event, Started)]
    assert [start.attempt for start in starts] == [1, 2]


@pytest.mark.usefixtures("hasty_lane")
async def test_it_gives_up_after_so_many_failures(engine: Engine) -> None:
    engine.provider.answers += [[ProviderOverloaded()], [ProviderUnavailable()]]
    generation_id = await engine.run(ProviderOverloaded("Still too busy."))
    await engine.ends(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.error_code, stored.error_message) == (Status.FAILED, "overloaded", "Still too busy.")
    assert stored.error_retryable
    assert len(engine.provider.calls) == 3
    assert [attempt.outcome for attempt in await attempts(generation_id)] == ["retried", "retried", "failed"]


async def test_what_stays_wrong_is_not_asked_twice(engine: Engine) -> None:
    generation_id = await engine.run(ProviderRejected("No such model.", code="bad_model"))
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.error_code, stored.error_retryable) == (Status.FAILED, "bad_model", False)
    assert len(engine.provider.calls) == 1


@pytest.mark.usefixtures("hasty_lane")
async def test_a_429_that_says_when_to_come_back_does_not_count(engine: Engine) -> None:
    engine.provider.answers += [[ProviderRateLimited(retry_after_s=20.0)] for _ in range(5)]
    generation_id = await engine.run(Text("x"), Finish())
    await engine.ends(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.attempt, stored.provider_errors) == (Status.COMPLETED, 6, 0)


async def test_nobody_is_kept_waiting_beyond_the_deadline_of_the_queue(engine: Engine, change: Change) -> None:
    change(queue_deadline_s=30.0)
    generation_id = await engine.run(ProviderRateLimited(retry_after_s=60.0))
    stored = await row(generation_id)
    assert (stored.status, stored.error_code) == (Status.FAILED, "rate_limited")


async def test_a_model_that_is_gone_fails_with_its_reason(engine: Engine) -> None:
    generation_id = await ask(model="withdrawn")
    await engine.start(generation_id)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.error_code) == (Status.FAILED, "unknown_model")


async def test_a_defect_of_ours_is_said_without_details(engine: Engine) -> None:
    generation_id = await engine.run(RuntimeError("secret detail"))
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.error_code) == (Status.FAILED, "internal")
    assert "secret" not in stored.error_message


async def test_a_defect_at_the_beginning_lets_the_provider_go(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*arguments: Any) -> None:
        await engine.provider.call()
        raise RuntimeError

    monkeypatch.setattr(engine.publisher, "begin", fail)
    generation_id, call = await engine.begin()
    await asyncio.wait_for(call.closed.wait(), 60)
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.error_code) == (Status.FAILED, "internal")


async def test_a_question_without_a_prompt_fails_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(generation_id: str) -> None:
        raise LookupError("the question of this answer was deleted")

    monkeypatch.setattr(hooks, "build_prompt", fail)
    generation_id = await ask()
    await engine.start(generation_id)
    stored = await row(generation_id)
    assert (stored.status, stored.error_code) == (Status.FAILED, "internal")
    assert engine.provider.calls == []


# The provider fails after text.


@pytest.mark.parametrize(
    ("failure", "code"),
    [([ProviderUnavailable()], "provider_unavailable"), ([], "provider_incomplete"), ([ValueError()], "internal")],
)
async def test_after_text_a_failure_interrupts_and_the_text_stays(
    engine: Engine, failure: list[Part | Exception], code: str
) -> None:
    generation_id = await engine.run(Text("Half an "), Text("ans"), *failure)
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.error_code) == (Status.INTERRUPTED, "Half an ans", code)
    assert stored.error_retryable
    assert len(engine.provider.calls) == 1


async def test_text_that_was_still_held_back_is_shown_when_it_breaks_off(engine: Engine) -> None:
    generation_id = await engine.run(Text("so 👩"), Text("\r"), ProviderUnavailable())
    assert (await engine.assert_replay_equals_text(generation_id)).text == "so 👩\n"


# Filters and limits.


async def test_a_validator_ends_the_stream_before_the_phrase_is_complete(engine: Engine, change: Change) -> None:
    filters = (("streaming.filters.BannedPhrases", {"phrases": ["the launch code"], "message": "Not here."}),)
    change(filters=filters)
    generation_id, call = await engine.begin()
    call.say("Well, ", "the la", "unch c", "ode is 1234", " and more")
    stored = await engine.ends(generation_id)
    assert call.closed.is_set()
    assert (stored.status, stored.finish_reason, stored.text) == (Status.STOPPED, "vetoed", "Well, ")
    assert (stored.error_code, stored.error_message) == ("vetoed", "Not here.")
    assert all("launch" not in entry.frame for entry in await engine.entries(generation_id))
    await engine.assert_replay_equals_text(generation_id)


class NoEnd:
    """Decides only at the end."""

    def feed(self, text: str) -> str:
        return text

    def flush(self) -> str:
        raise Vetoed("It ends badly.", allowed="…")


class Broken(NoEnd):
    def flush(self) -> str:
        raise ZeroDivisionError


async def test_a_veto_that_only_comes_at_the_end_ends_it_too(engine: Engine, change: Change) -> None:
    change(filters=((f"{__name__}.NoEnd", {}),))
    generation_id = await engine.run(Text("All fine"), Finish())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.error_message) == (Status.STOPPED, "All fine…", "It ends badly.")


async def test_a_filter_that_breaks_ends_the_answer(engine: Engine, change: Change) -> None:
    change(filters=((f"{__name__}.Broken", {}),))
    generation_id = await engine.run(Text("Some text"), Finish())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.error_code) == (Status.INTERRUPTED, "Some text", "internal")


async def test_a_filter_that_cannot_be_made_shows_nothing(engine: Engine, change: Change) -> None:
    change(filters=(("streaming.filters.BannedPhrases", {"wrong": 1}),))
    generation_id = await engine.run(Text("Some text"), Finish())
    stored = await engine.assert_replay_equals_text(generation_id)
    assert (stored.status, stored.text, stored.error_code) == (Status.FAILED, "", "internal")


async def test_a_secret_is_replaced_across_deltas(engine: Engine, change: Change) -> None:
    change(filters=(("streaming.filters.SecretRedactor", {}),))
    key = "sk-" + "ant-" + "x" * 30
    generation_id = await engine.run(*(Text(letter) for letter in f"It is {key}."), Finish())
    assert (await engine.assert_replay_equals_text(generation_id)).text == "It is [secret removed]."


async def test_an_answer_that_is_too_long_is_cut_and_complete(small_answers: None, engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("é" * 30, "é" * 30, "never")
    stored = await engine.ends(generation_id)
    assert call.closed.is_set()
    assert (stored.status, stored.finish_reason, stored.text) == (Status.COMPLETED, "length", "é" * 50)
    await engine.assert_replay_equals_text(generation_id)


@pytest.fixture
def small_answers(change: Change) -> None:
    """Before `engine`: its publisher keeps the settings that it finds."""
    change(text_max_bytes=100)


# Nothing waits for ever.


async def test_a_provider_silent_from_the_start_times_out_and_is_tried_again(engine: Engine, change: Change) -> None:
    change(first_text_timeout_s=0.1)
    generation_id, first = await engine.begin()
    second = await engine.provider.call(2)
    assert first.closed.is_set()
    second.say("now")
    second.finish()
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text) == (Status.COMPLETED, "now")
    assert (await attempts(generation_id))[0].error_code == "provider_timeout"


async def test_a_provider_silent_in_mid_stream_interrupts(engine: Engine, change: Change) -> None:
    change(between_text_timeout_s=0.1)
    generation_id, call = await engine.begin()
    call.say("Half")
    stored = await engine.ends(generation_id)
    assert call.closed.is_set()
    assert (stored.status, stored.text, stored.error_code) == (Status.INTERRUPTED, "Half", "provider_timeout")
    await engine.assert_replay_equals_text(generation_id)


async def test_a_thinking_model_is_not_silent(engine: Engine, change: Change) -> None:
    change(first_text_timeout_s=1.0)
    generation_id, call = await engine.begin()
    for _ in range(24):
        call.send(Reasoning())
        await asyncio.sleep(0.05)  # the pace of the model
    call.say("yes")
    call.finish()
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.attempt) == (Status.COMPLETED, 1)


async def test_an_answer_without_end_is_cut_off(engine: Engine, change: Change) -> None:
    change(answer_timeout_s=0.3)
    generation_id, call = await engine.begin()

    async def go_on() -> None:
        while not call.closed.is_set():
            call.say("and ")
            await asyncio.sleep(0.02)

    talking = asyncio.create_task(go_on())
    stored = await engine.ends(generation_id)
    await talking
    assert (stored.status, stored.error_code, stored.error_retryable) == (Status.INTERRUPTED, "provider_timeout", False)
    await engine.assert_replay_equals_text(generation_id)
