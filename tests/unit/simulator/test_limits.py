"""Both vendors' rules, under a clock of the test's own."""

import itertools
from typing import Any

import pytest

from tests.simulator.exchange import Exchange
from tests.simulator.limits import Allowance, Quota
from tests.simulator.script import Script

NUMBERS = itertools.count(1)
PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}


class Vendor:
    def __init__(self, name: str, **allowed: Any) -> None:
        self.now = 1000.0
        self.path = PATHS[name]
        self.quota = Quota(Allowance(**allowed), lambda: self.now)

    def ask(self, *, tokens_in: int = 12, max_tokens: int = 100) -> Exchange:
        body = {"model": "m", "max_tokens": max_tokens}
        exchange = Exchange(next(NUMBERS), self.path, {}, body, Script(input=tokens_in))
        if refusal := self.quota.ask(exchange):
            exchange.refused_for = refusal.why
            exchange.reply_headers = {"retry-after": f"{refusal.wait_s:g}"} if refusal.wait_s >= 0 else {}
            exchange.end("refused")
        return exchange

    def answered(self, count: int, **options: int) -> int:
        """How many of so many requests at once are answered, each at an end before the next one comes."""
        good = 0
        for _ in range(count):
            exchange = self.ask(**options)
            good += not exchange.refused_for
            exchange.end("complete")
        return good

    def left(self, name: str) -> float:
        levels: dict[str, float] = self.quota.seen()["levels"]
        return levels[name]


@pytest.mark.parametrize("name", PATHS)
def test_a_minutes_worth_may_come_at_once_and_then_as_much_as_refills(name: str) -> None:
    vendor = Vendor(name, requests_per_minute=20)
    assert vendor.answered(20) == 20
    vendor.now += 9.01
    assert vendor.answered(3) == 3
    assert vendor.quota.own_faults == 0
    assert vendor.ask().refused_for == "requests"
    assert vendor.quota.seen()["refused"] == {"requests": 1}


def test_a_smaller_burst_and_a_faster_clock() -> None:
    vendor = Vendor("anthropic", requests_per_minute=20, burst_s=15, scale=10)
    assert vendor.answered(10) == 5
    vendor.now += 0.31
    assert vendor.answered(5) == 1
    with pytest.raises(ValueError, match="by 10 at most"):
        Allowance(scale=11)


def test_anthropic_names_the_wait_and_a_refusal_costs_nothing() -> None:
    vendor = Vendor("anthropic", requests_per_minute=20)
    vendor.answered(20)
    refused = [vendor.ask() for _ in range(5)]
    assert {exchange.reply_headers["retry-after"] for exchange in refused} == {"3"}
    vendor.now += 3.0
    assert vendor.ask().refused_for == ""


def test_openai_names_no_wait_and_a_refused_request_counts() -> None:
    vendor = Vendor("openai", requests_per_minute=20)
    vendor.answered(20)
    vendor.now += 2.9
    assert vendor.ask().reply_headers == {}
    vendor.now += 1.0
    assert vendor.ask().refused_for == "requests", "the refused one took what had come back"
    vendor.now += 3.0
    assert vendor.ask().refused_for == ""


def test_anthropic_counts_uncached_input_at_the_start_and_output_as_it_comes() -> None:
    vendor = Vendor("anthropic", input_tokens_per_minute=1000, output_tokens_per_minute=600)
    exchange = vendor.ask(tokens_in=403, max_tokens=100_000)
    assert (vendor.left("input-tokens"), vendor.left("output-tokens")) == (600, 600)
    assert exchange.on_sent is not None
    for _ in range(700):
        exchange.on_sent()
    assert vendor.left("output-tokens") == -100, "what runs is not cut off"
    assert vendor.ask().refused_for == "output-tokens"
    vendor.now += 10.1
    assert vendor.ask().refused_for == ""
    vendor.now -= 10.1
    assert vendor.ask(tokens_in=900).refused_for == "input-tokens"


def test_openai_reserves_all_that_may_come_and_keeps_it() -> None:
    vendor = Vendor("openai", input_tokens_per_minute=1000, output_tokens_per_minute=1)
    first = vendor.ask(tokens_in=100, max_tokens=500)
    assert first.on_sent is None
    first.end("complete")
    assert vendor.left("input-tokens") == 400
    assert vendor.ask(tokens_in=100, max_tokens=500).refused_for == "input-tokens"
    vendor.now += 12.0
    assert vendor.ask(tokens_in=100, max_tokens=500).refused_for == ""


@pytest.mark.parametrize("name", PATHS)
def test_what_is_larger_than_a_bucket_starts_from_a_full_one_and_leaves_a_debt(name: str) -> None:
    vendor = Vendor(name, input_tokens_per_minute=60)
    assert vendor.ask(tokens_in=183, max_tokens=0).refused_for == ""
    assert vendor.left("input-tokens") < -100
    vendor.now += 60
    assert vendor.ask(tokens_in=183, max_tokens=0).refused_for == "input-tokens"


def test_concurrency_is_refused_and_the_most_that_ever_ran_is_kept() -> None:
    vendor = Vendor("anthropic", concurrency=3)
    running = [vendor.ask() for _ in range(4)]
    assert [exchange.refused_for for exchange in running] == ["", "", "", "concurrency"]
    running[0].client_left()
    assert vendor.ask().refused_for == ""
    for exchange in running:
        exchange.end("complete")
    seen = vendor.quota.seen()
    assert (seen["most_running"], seen["running"], seen["asked"], seen["answered"]) == (3, 1, 5, 4)
    vendor.quota.forget()
    assert vendor.quota.seen()["asked"] == 0
    assert vendor.quota.running == 1


def test_without_limits_the_most_that_ever_ran_is_known_all_the_same() -> None:
    vendor = Vendor("openai")
    for _ in range(50):
        vendor.ask()
    assert (vendor.quota.most_running, vendor.quota.own_faults) == (50, 0)
    assert vendor.quota.headers(vendor.path) == {}


def test_a_run_that_is_kept_counts_as_long_as_it_goes_on() -> None:
    vendor, going_on = Vendor("openai", concurrency=1), [True]
    exchange = vendor.ask()
    vendor.quota.keep_counting(exchange, lambda: going_on[0])
    exchange.client_left()
    assert vendor.ask().refused_for == "concurrency"
    going_on.clear()
    going_on.append(False)
    assert vendor.ask().refused_for == ""


def test_a_commanded_pause_refuses_everybody_and_is_nobodys_fault() -> None:
    vendor = Vendor("anthropic", requests_per_minute=20)
    vendor.quota.pause(429, 5.5)
    refused = vendor.ask()
    assert (refused.refused_for, refused.reply_headers) == ("paused", {"retry-after": "6"})
    vendor.quota.pause(529, 5.5)
    assert vendor.ask().reply_headers == {}
    vendor.quota.pause(429, 5.5, is_named=False)
    assert vendor.ask().reply_headers == {}
    vendor.now += 5.6
    assert vendor.ask().refused_for == ""
    seen = vendor.quota.seen()
    assert (seen["paused"], seen["own_faults"], seen["levels"]) == (3, 0, {"requests": 19})


def test_limits_are_read_from_words() -> None:
    assert Allowance.parse("requests_per_minute=20,concurrency=3") == Allowance(20.0, concurrency=3)
    assert Allowance.parse("") == Allowance()
    with pytest.raises(ValueError, match="knows no limit 'rpm'"):
        Allowance.parse("rpm=20")
