"""A model without key, network or cost: for the first run, tests, load and pictures.

The text depends on the prompt alone. Pace and scenario words (see `demo_answers`) make it behave like a vendor on a
good or on a bad day.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from streaming.conf import StreamingSettings
from streaming.continuation import asks_to_continue
from streaming.errors import ProviderRateLimited, ProviderTimeout, ProviderUnavailable
from streaming.filters import CleanText
from streaming.prompt import Prompt
from streaming.providers.base import Finish, ModelEntry, Part, Text, Usage
from streaming.providers.demo_answers import Scenario, answer, fingerprint, pieces, scenarios

TOKENS_PER_SECOND = 25.0
FIRST_TOKEN_S = 0.3
SLOW_FIRST_TOKEN_S = 3.0
SLOW_FACTOR = 8
#: Faults in the middle come here, so that there is something to keep.
FAULT_AFTER_TOKENS = 20
#: Far beyond every watchdog; a wait still has an end.
STALL_S = 3600.0
RETRY_AFTER_S = 4.0
#: A refusal that nobody came back for is forgotten.
REFUSAL_KEPT_S = 60.0
REFUSALS_MAX = 1000
#: Without pace the loop must still get its turn.
TURN_EVERY_TOKENS = 32
CHARS_PER_TOKEN = 4


def open_provider(entry: ModelEntry, settings: StreamingSettings) -> DemoProvider:
    return DemoProvider()


class DemoProvider:
    """Options of an entry: `tokens_per_second` (0: as fast as it goes), `first_token_s`, `seed`."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._refused_until: dict[str, float] = {}

    async def stream(self, entry: ModelEntry, prompt: Prompt) -> AsyncGenerator[Part]:
        words = _scenarios(prompt)
        if Scenario.RATE_LIMIT in words:
            self._limit(fingerprint(prompt))
        text = _rest(prompt, entry.options.get("seed", 0) if prompt.sampling.seed is None else prompt.sampling.seed)
        tokens = pieces(text, fine=Scenario.UNICODE in words)
        limit = min(entry.max_tokens, prompt.max_tokens)
        due = self._schedule(entry, slow=Scenario.SLOW in words)
        for index, token in enumerate(tokens[:limit]):
            if index == FAULT_AFTER_TOKENS:
                await self._fail(words)
            # Absolute times: a late wake-up is made up for, so the pace holds however busy the loop is.
            if (wait_s := due(index) - self._now()) > 0 or index % TURN_EVERY_TOKENS == 0:
                await self._sleep(max(wait_s, 0.0))
            yield Text(token)
        yield Usage(_estimate(prompt), min(len(tokens), limit))
        yield Finish("length" if len(tokens) > limit else "stop")

    async def aclose(self) -> None:
        pass

    def _schedule(self, entry: ModelEntry, *, slow: bool) -> Callable[[int], float]:
        """Token number → when it is due."""
        rate = float(entry.options.get("tokens_per_second", TOKENS_PER_SECOND))
        first_s = float(entry.options.get("first_token_s", FIRST_TOKEN_S))
        if slow:
            rate, first_s = rate / SLOW_FACTOR, max(first_s, SLOW_FIRST_TOKEN_S)
        start, gap_s = self._now() + first_s, 1 / rate if rate > 0 else 0.0
        return lambda index: start + index * gap_s

    async def _fail(self, words: frozenset[Scenario]) -> None:
        if Scenario.ERROR in words:
            raise ProviderUnavailable("The demo model broke off, as you asked it to.", code="demo_error")
        if Scenario.STALL in words:
            await self._sleep(STALL_S)
            raise ProviderTimeout

    def _limit(self, name: str) -> None:
        """Like a real limit, it passes: who comes back after the time that was said is served."""
        now = self._now()
        until = self._refused_until.pop(name, None)
        if until is not None and until <= now < until + REFUSAL_KEPT_S:
            return
        if until is None or until + REFUSAL_KEPT_S <= now:
            until = now + RETRY_AFTER_S
        self._refused_until[name] = until
        if len(self._refused_until) > REFUSALS_MAX:
            del self._refused_until[next(iter(self._refused_until))]
        raise ProviderRateLimited("The demo model asked us to slow down, as you wanted.", retry_after_s=until - now)


def _scenarios(prompt: Prompt) -> frozenset[Scenario]:
    """Those of the question, also when it is asked to go on with the answer."""
    return scenarios(replace(prompt, messages=prompt.messages[:-2]) if asks_to_continue(prompt) else prompt)


def _rest(prompt: Prompt, seed: int) -> str:
    """The answer; or, if the prompt asks to go on with one that was cut, what is missing of it. Like any model it knows
    only what the prompt says."""
    if not asks_to_continue(prompt):
        return _until_stop(prompt, answer(prompt, seed))
    asked = replace(prompt, messages=prompt.messages[:-2])
    whole, shown = CleanText().feed(_until_stop(prompt, answer(asked, seed))), prompt.messages[-2].text
    return whole.removeprefix(shown) if whole.startswith(shown) else " " + whole


def _until_stop(prompt: Prompt, text: str) -> str:
    ends = [at for stop in prompt.sampling.stop if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _estimate(prompt: Prompt) -> int:
    return sum(map(len, prompt.texts)) // CHARS_PER_TOKEN + 1
