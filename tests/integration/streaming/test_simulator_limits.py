"""The simulator keeps limits as the vendors do: seen through the real SDKs, which pass on what it says."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streaming import providers
from streaming.errors import ProviderError, ProviderOverloaded, ProviderRateLimited
from streaming.lane_limits import Budget, exhausted, observations
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import Finish, Limits, ModelEntry, Part
from tests.simulator import Allowance, Simulator

PROMPT = Prompt((PromptMessage("user", "hi"),), max_tokens=500)
DIALECTS = {"anthropic": ("anthropic", "chat"), "chat": ("openai", "chat"), "responses": ("openai", "responses")}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator
        await providers.aclose_all()


@pytest.fixture(params=DIALECTS)
def entry(request: pytest.FixtureRequest, simulator: Simulator) -> ModelEntry:
    provider, dialect = DIALECTS[request.param]
    base_url = simulator.base_url if provider == "anthropic" else simulator.openai_url
    return ModelEntry("m", "M", provider, "sim-tokens=5", dialect=dialect, base_url=base_url, api_key="k")


async def read(entry: ModelEntry) -> tuple[list[Part], ProviderError | None]:
    parts: list[Part] = []
    try:
        async for part in providers.get_provider(entry).stream(entry, PROMPT):
            parts.append(part)
    except ProviderError as error:
        return parts, error
    return parts, None


async def test_who_asks_too_often_is_refused_and_told_what_is_empty(simulator: Simulator, entry: ModelEntry) -> None:
    quota = simulator.limit(Allowance(requests_per_minute=2))
    answers = [await read(entry) for _ in range(3)]
    assert [error is None for _, error in answers] == [True, True, False]
    limits = [parts[0] for parts, error in answers if error is None]
    seen = [observations(part.headers)[0] for part in limits if isinstance(part, Limits)]
    assert [(item.budget, item.limit, item.remaining) for item in seen] == [
        (Budget.REQUESTS, 2, 1),
        (Budget.REQUESTS, 2, 0),
    ]
    error = answers[2][1]
    assert isinstance(error, ProviderRateLimited)
    assert exhausted(observations(error.headers)) is Budget.REQUESTS
    if entry.provider == "anthropic":
        assert error.retry_after_s == pytest.approx(30, abs=2)
    else:
        assert error.retry_after_s is None
    assert (quota.own_faults, simulator.exchanges[-1].refused_for) == (1, "requests")


async def test_tokens_of_a_prompt_are_taken_as_the_vendor_takes_them(simulator: Simulator, entry: ModelEntry) -> None:
    quota = simulator.limit(Allowance(input_tokens_per_minute=6000, output_tokens_per_minute=600))
    await read(replace(entry, model="sim-tokens=200,input=2003"))
    levels = quota.seen()["levels"]
    taken = {"input-tokens": 6000 - levels["input-tokens"], "output-tokens": 600 - levels["output-tokens"]}
    if entry.provider == "anthropic":
        assert 1000 < taken["input-tokens"] <= 2000, "a hundred a second come back meanwhile"
        assert 100 < taken["output-tokens"] <= 200
    else:
        assert 1500 < taken["input-tokens"] <= 2503
        assert taken["output-tokens"] == 0


async def test_more_at_once_than_allowed_is_refused(simulator: Simulator, entry: ModelEntry) -> None:
    quota = simulator.limit(Allowance(concurrency=3))
    running = [asyncio.create_task(read(replace(entry, model="sim-first=60"))) for _ in range(3)]
    await simulator.until(lambda: len(simulator.exchanges) == 3)
    assert [type((await read(entry))[1]) for _ in range(2)] == [ProviderRateLimited] * 2
    assert (quota.most_running, quota.own_faults) == (3, 2)
    for task in running:
        task.cancel()
    await simulator.until(lambda: not quota.running)
    parts, error = await read(entry)
    assert (parts[-1], error, quota.running) == (Finish("stop"), None, 0)


async def test_a_client_that_leaves_frees_its_place(simulator: Simulator, entry: ModelEntry) -> None:
    quota = simulator.limit(Allowance(concurrency=1))
    leaving = asyncio.create_task(read(replace(entry, model="sim-first=60")))
    await simulator.until(lambda: simulator.exchanges)
    leaving.cancel()
    await simulator.until(lambda: not quota.running)
    assert (await read(entry))[1] is None


@pytest.mark.parametrize(("status", "kind"), [(429, ProviderRateLimited), (529, ProviderOverloaded)])
async def test_a_commanded_pause_refuses_the_next_and_leaves_what_runs(
    simulator: Simulator, entry: ModelEntry, status: int, kind: type[ProviderError]
) -> None:
    running = asyncio.create_task(read(replace(entry, model="sim-tokens=50,first=0.3")))
    await simulator.until(lambda: simulator.exchanges)
    quota = simulator.quota("any")
    quota.pause(status, 60)
    _, error = await read(entry)
    assert type(error) is kind
    assert error.retry_after_s == (pytest.approx(60, abs=2) if status == 429 else None)
    assert (await running)[1] is None
    assert (quota.own_faults, quota.paused) == (0, 1)


async def test_one_model_may_have_limits_of_its_own(simulator: Simulator, entry: ModelEntry) -> None:
    simulator.limit(Allowance(requests_per_minute=1), "sim-tokens=7")
    own = replace(entry, model="sim-tokens=7")
    errors = [(await read(model))[1] for model in (own, own, entry, entry)]
    assert [error is None for error in errors] == [True, False, True, True]
