from dataclasses import dataclass, replace

import pytest

from streaming.errors import ProviderError, ProviderRateLimited, ProviderTimeout, ProviderUnavailable
from streaming.prompt import Prompt, PromptMessage
from streaming.providers import demo
from streaming.providers.base import Finish, ModelEntry, Part, Text, Usage
from streaming.providers.demo import DemoProvider
from streaming.providers.demo_answers import answer

ENTRY = ModelEntry("demo", "Demo", "demo", "demo", options={"tokens_per_second": 10, "first_token_s": 0.5})


@dataclass
class Clock:
    """Time that passes only in sleep; `late` is added to each sleep, as a busy loop would."""

    now: float = 1000.0
    late: float = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + (self.late if seconds else 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> DemoProvider:
    return DemoProvider(now=clock, sleep=clock.sleep)


def asked(text: str, max_tokens: int = 4096) -> Prompt:
    return Prompt((PromptMessage("user", text),), max_tokens=max_tokens)


async def parts_of(provider: DemoProvider, prompt: Prompt, entry: ModelEntry = ENTRY) -> list[Part]:
    return [part async for part in provider.stream(entry, prompt)]


def text_of(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


async def test_the_answer_ends_with_usage_and_finish(provider: DemoProvider) -> None:
    parts = await parts_of(provider, asked("hello"))
    *texts, usage, finish = parts
    assert all(isinstance(part, Text) for part in texts)
    assert isinstance(usage, Usage)
    assert usage.output_tokens == len(texts)
    assert finish == Finish("stop")
    assert text_of(parts) == answer(asked("hello"))


async def test_a_bounded_answer_ends_with_length(provider: DemoProvider) -> None:
    parts = await parts_of(provider, asked("hello", max_tokens=7))
    assert parts[-2:] == [Usage(2, 7), Finish("length")]
    assert answer(asked("hello")).startswith(text_of(parts))
    entry = replace(ENTRY, max_tokens=3)
    assert len(await parts_of(provider, asked("hello"), entry)) == 5


@pytest.mark.parametrize("late", [0.0, 0.02, 0.3])
async def test_the_pace_holds_however_late_the_loop_wakes_up(clock: Clock, provider: DemoProvider, late: float) -> None:
    clock.late, start = late, clock.now
    times = [clock.now - start async for part in provider.stream(ENTRY, asked("hello")) if isinstance(part, Text)]
    due = [0.5 + index / 10 for index in range(len(times))]
    assert all(-1e-6 <= time - planned <= late + 1e-6 for time, planned in zip(times, due, strict=True))


async def test_slow_is_slow(clock: Clock, provider: DemoProvider) -> None:
    start = clock.now
    parts = await parts_of(provider, asked("slow"))
    assert clock.now - start == pytest.approx(3 + (len(parts) - 3) * 0.8)


async def test_without_pace_it_takes_no_time(clock: Clock, provider: DemoProvider) -> None:
    start, entry = clock.now, replace(ENTRY, options={"tokens_per_second": 0, "first_token_s": 0})
    await parts_of(provider, asked("hello"), entry)
    assert clock.now == start


async def test_empty_is_a_proper_end_without_text(provider: DemoProvider) -> None:
    assert await parts_of(provider, asked("empty")) == [Usage(2, 0), Finish("stop")]


@pytest.mark.parametrize(
    ("word", "error", "waited_s"), [("error", ProviderUnavailable, 0), ("stall", ProviderTimeout, demo.STALL_S)]
)
async def test_trouble_comes_after_some_text(
    clock: Clock, provider: DemoProvider, word: str, error: type[ProviderError], waited_s: float
) -> None:
    parts: list[Part] = []

    async def read() -> None:
        async for part in provider.stream(ENTRY, asked(word)):
            parts.append(part)

    start = clock.now
    with pytest.raises(error):
        await read()
    assert len(parts) == demo.FAULT_AFTER_TOKENS
    assert answer(asked(word)).startswith(text_of(parts))
    assert clock.now - start == pytest.approx(0.5 + (demo.FAULT_AFTER_TOKENS - 1) / 10 + waited_s)


async def test_a_rate_limit_says_when_to_come_back_and_then_lets_pass(clock: Clock, provider: DemoProvider) -> None:
    prompt = asked("rate limit")
    with pytest.raises(ProviderRateLimited) as caught:
        await parts_of(provider, prompt)
    assert caught.value.retry_after_s == demo.RETRY_AFTER_S
    clock.now += demo.RETRY_AFTER_S - 1
    with pytest.raises(ProviderRateLimited) as caught:
        await parts_of(provider, prompt)
    assert caught.value.retry_after_s == pytest.approx(1)
    clock.now += 1
    assert text_of(await parts_of(provider, prompt)) == answer(prompt)


async def test_the_next_request_is_limited_again(clock: Clock, provider: DemoProvider) -> None:
    prompt = asked("rate limit")
    for pause_s in (demo.RETRY_AFTER_S, demo.RETRY_AFTER_S + demo.REFUSAL_KEPT_S):
        with pytest.raises(ProviderRateLimited):
            await parts_of(provider, prompt)
        clock.now += pause_s
        if pause_s == demo.RETRY_AFTER_S:
            await parts_of(provider, prompt)
    with pytest.raises(ProviderRateLimited) as caught:
        await parts_of(provider, prompt)
    assert caught.value.retry_after_s == demo.RETRY_AFTER_S


async def test_refusals_do_not_pile_up(provider: DemoProvider) -> None:
    for number in range(demo.REFUSALS_MAX + 10):
        with pytest.raises(ProviderRateLimited):
            await anext(provider.stream(ENTRY, asked(f"rate limit {number}")))
    assert len(provider._refused_until) == demo.REFUSALS_MAX
