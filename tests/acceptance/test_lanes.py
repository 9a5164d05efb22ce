"""Many people, a provider that allows little: they wait in a fair order and are told the truth about it.

What is a minute to the provider lasts six seconds here (`SCALE`), so 20 requests a minute are 200, and answers of seven
seconds take 0.7. With CHATSITE_FULL=1 the first story runs at its full size (300 requests, about two minutes), and the
one of deaths with three times as many.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import pytest

from tests.acceptance.fair_shares import Row, unfairness
from tests.acceptance.lane_rig import LaneSite, Person
from tests.acceptance.rig import is_alive
from tests.acceptance.wait_record import judge
from tests.simulator import Allowance

IS_FULL = os.environ.get("CHATSITE_FULL") == "1"
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1500 if IS_FULL else 600)]

PEOPLE = 12
QUESTIONS = 25 if IS_FULL else 6
SCALE = 10.0
ALLOWED = Allowance(requests_per_minute=20, concurrency=3, scale=SCALE)
ANSWER = "sim-tokens=14,rate=20"
#: What the site believes of its provider, in our own minutes; a rest lets as much start at once as its tenth would.
LIMITS: dict[str, Any] = {"requests_per_minute": 20 * SCALE, "concurrency": 3, "burst_s": 10 / SCALE}
#: Raised for this test: of one person's own queue, of the wait that is accepted, and of the wait that expires.
LONG_WAITS: dict[str, Any] = {
    "live_generations_per_user_max": 120,
    "max_wait_s": 3600.0,
    "queue_deadline_s": 3600.0,
}
OWN_QUEUE = {"user_queue": 120, "user_concurrency": None}

#: For how long the provider wants to be left alone.
CLOSED_S = 6.0
MORE_ROUNDS = 7
KEPT_MIN = 0.85
PASSED_MAX = 0.03
WIDTH_MIN_S, WIDTH_SHARE = 5.0, 0.5


async def ask_in_turn(people: Sequence[Person], questions: int, model: str) -> None:
    """One after the other, so that all people come in the same order in each round."""
    for _ in range(questions):
        for person in people:
            await person.ask(model)


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
async def test_twelve_people_share_what_the_provider_allows_and_are_told_the_truth(provider: str) -> None:
    limits = LIMITS | OWN_QUEUE | {"charge": "as_produced" if provider == "anthropic" else "reserve_max"}
    site = LaneSite({"answer": ANSWER}, provider=provider, limits=limits, allowed=ALLOWED, streaming=LONG_WAITS)
    async with site:
        people = site.invite(PEOPLE, 1 + QUESTIONS)
        await ask_in_turn(people, 1, "answer")  # what an answer needs is learned from answers
        await site.all_ended(150)
        async with site.at_rest():
            await ask_in_turn(people, QUESTIONS, "answer")
        for person in people:
            for generation in person.generations:
                await person.ended(generation, 240)
        rows = site.rows_of(people)
        later = site.rows_of(people, since=1)
        seen, calls, attempts = site.simulator.limits(), site.calls(), site.attempts()
        records = site.waits_of(people, since=1)
        honesty, lost_s = judge(records), max(record.lost_s for record in records)
    print(f"\n{provider}: {honesty}; {lost_s:.1f} s lost to the machine; {seen}")

    assert seen["own_faults"] == 0
    assert seen["most_running"] <= 3
    assert {row.status for row in rows} == {"completed"}
    assert len(rows) == PEOPLE * (1 + QUESTIONS)
    assert set(calls.values()) == {1}
    assert set(map(tuple, attempts.values())) == {("completed",)}
    assert len(calls) == len(attempts) == len(rows) == seen["asked"]

    assert len({row.cost for row in later}) == 1, "requests of several sizes: their number says nothing"
    worst, largest = unfairness(later)
    assert worst <= largest, "one person got more than one request ahead of another who waited as well"

    assert honesty.waits >= PEOPLE, "too few were told a wait: the test proves nothing"
    assert honesty.kept >= KEPT_MIN
    assert honesty.median_width_s <= max(WIDTH_MIN_S, WIDTH_SHARE * honesty.median_p50_s) + lost_s
    assert honesty.silent_rises == ()
    assert honesty.passed <= PASSED_MAX


HEAVY_QUESTIONS = 100
LIGHT_PEOPLE = 4
#: Of three seconds: short enough that not all hundred need to be waited for.
LONG_ANSWER = "sim-tokens=60,rate=20"
#: Where somebody waits: how many of the other's questions must still wait, so that it was a choice who went first.
STILL_WAIT_MIN = 6


def overtaken_by(row: Row, others: Sequence[Row]) -> int:
    """How many of the others began after this one came, and before it."""
    return sum(
        other.admitted_at is not None and other.admitted_at > row.requested_at and other.admission < row.admission
        for other in others
        if other.admission
    )


async def test_a_person_with_a_hundred_questions_delays_another_by_one_answer_at_most() -> None:
    limits: dict[str, Any] = {"concurrency": 3} | OWN_QUEUE
    allowed = Allowance(concurrency=3)
    site = LaneSite({"answer": LONG_ANSWER}, provider="anthropic", limits=limits, allowed=allowed, streaming=LONG_WAITS)
    async with site:
        (heavy,) = site.invite(1, HEAVY_QUESTIONS)
        light = site.invite(LIGHT_PEOPLE, 1)
        for _ in range(HEAVY_QUESTIONS // 2):
            await heavy.ask("answer")
        for person in light:
            for _ in range(HEAVY_QUESTIONS // 2 // LIGHT_PEOPLE):
                await heavy.ask("answer")
            async with site.at_rest():  # else some would go first while its question is on its way to the lane
                generation = await person.ask("answer")
            await person.started(generation, 90)
            waiting = sum(row.status == "queued" for row in site.rows_of([heavy]))
            assert waiting >= STILL_WAIT_MIN, "the heavy person was nearly served: the test proves nothing"
        rows, others = site.rows_of([heavy]), site.rows_of(light)
        seen = site.simulator.limits()
    for row in others:
        assert overtaken_by(row, rows) <= 3, "more went first than the lane can have let in before it came"
    assert (seen["own_faults"], seen["most_running"]) == (0, 3)


STORIES = 25 if IS_FULL else 2
#: Of minutes: whatever dies finds them running, and afterwards they are told to hurry. Asked to go on, it begins with
#: the next character.
GOES_ON = [f"sim-tokens=2000,rate=20,repeat=0,seed={seed}" for seed in (1, 2, 3)]


def assert_each_call_is_explained(site: LaneSite) -> None:
    """Nobody was asked twice without an attempt of its own, and a further attempt only follows one that was lost."""
    calls, attempts = site.calls(), site.attempts()
    for generation, count in calls.items():
        outcomes = attempts[generation.replace("-", "")]
        assert count <= len(outcomes), f"{generation}: {count} calls for {outcomes}"
        assert outcomes[-1] == "completed"
        assert set(outcomes[:-1]) <= {"lost"}, outcomes


async def test_nothing_is_lost_or_run_twice_when_a_worker_valkey_and_the_lanes_keeper_die() -> None:
    models = {f"story{number}": script for number, script in enumerate(GOES_ON)}
    limits: dict[str, Any] = {"concurrency": 3} | OWN_QUEUE
    allowed = Allowance(concurrency=3)
    site = LaneSite(models, provider="anthropic", limits=limits, allowed=allowed, streaming=LONG_WAITS, workers=2)
    async with site:
        people = site.invite(PEOPLE, STORIES)
        for number in range(STORIES):
            for person in people:
                await person.ask(f"story{(person.id + number) % 3}")

        await site.until(lambda: len(site.streaming()) == 3, "three answers with text", 150)
        await site.kill_worker(next(iter(site.streaming().values())))
        await site.until(lambda: len(site.streaming()) == 3, "three answers after the worker's death", 150)
        running = set(site.streaming())
        await site.kill_valkey_with_its_memory()
        site.hurry("story0")  # so that others begin
        await site.until(lambda: set(site.streaming()) - running, "an answer that began after Valkey's death", 150)
        holder = site.pacers_holder()
        estimating = await site.until(lambda: site.children_of(holder), "a process that estimates", 150)
        await site.kill_worker(holder)
        await site.until(lambda: not any(map(is_alive, estimating)), "the end of the holder's processes", 90)
        for alias in models:
            site.hurry(alias)
        await site.all_ended(1200 if IS_FULL else 300)

        rows, seen = site.rows_of(people), site.simulator.limits()
        assert_each_call_is_explained(site)
    assert {row.status for row in rows} == {"completed"}
    for row in rows:
        assert row.text == site.whole_text(row.model), "text was lost or doubled"
    assert len(rows) == STORIES * PEOPLE
    assert seen["most_running"] == 3
    assert seen["own_faults"] == 0


def is_told_why(site: LaneSite) -> bool:
    return any(told.why == "paused" for record in site.waits() for told in record.told)


async def close_until_told(site: LaneSite, people: Sequence[Person]) -> int:
    """The provider closes for some seconds, as often as it takes until somebody is told: on a machine that stands still
    the first closing may be over before anybody asked or looked. Returns how often."""
    for closings in range(1, MORE_ROUNDS):
        before = site.simulator.limits()["paused"]
        while site.simulator.limits()["paused"] == before:
            site.simulator.pause(429, CLOSED_S)
            if not site.live():
                await ask_in_turn(people, 1, "answer")
            await asyncio.sleep(0.2)
        try:
            await site.until(lambda: is_told_why(site), "the reason", CLOSED_S + 5)
        except AssertionError:
            continue
        return closings
    raise AssertionError("nobody was told why they wait")


async def test_a_provider_that_closes_for_a_while_is_waited_for_in_place_and_people_are_told_why() -> None:
    limits = LIMITS | OWN_QUEUE
    site = LaneSite({"answer": ANSWER}, provider="anthropic", limits=limits, allowed=ALLOWED, streaming=LONG_WAITS)
    async with site:
        people = site.invite(PEOPLE, 3 + MORE_ROUNDS)
        await ask_in_turn(people, 1, "answer")
        await site.all_ended(150)
        async with site.at_rest():
            await ask_in_turn(people, 2, "answer")
        await site.until(lambda: site.simulator.limits()["answered"] >= PEOPLE + 5, "some answers", 150)
        closings = await close_until_told(site, people)
        for person in people:
            for generation in person.generations:
                await person.ended(generation, 240)
        rows, seen, attempts = site.rows_of(people), site.simulator.limits(), site.attempts()
        honesty = judge(site.waits_of(people, since=1))
    assert {row.status for row in rows} == {"completed"}
    assert seen["own_faults"] == 0
    assert seen["paused"] <= 3 * closings, "who was refused came back before the time that the provider named"
    assert sum(len(outcomes) for outcomes in attempts.values()) == len(rows) + seen["paused"]
    assert honesty.silent_rises == ()
