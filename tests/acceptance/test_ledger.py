"""Mixed traffic through real processes: ledger, rollups and `/metrics` agree with what the provider itself logged."""

from __future__ import annotations

import asyncio
import json
import urllib.error
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from streaming import keys
from tests.acceptance.chat_client import ChatClient, CommandFailed
from tests.acceptance.ledger_books import Samples, ledger, scrape, sums, true_tokens, worker_metrics
from tests.acceptance.rig import Demo, until
from tests.acceptance.session import Session
from tests.acceptance.simulator_process import SimulatorProcess

pytestmark = pytest.mark.acceptance

CHAT = "sim-tokens=40+input=50+seed=1"
MESSAGES = "sim-tokens=30+input=60+seed=2"
#: These go on for minutes; what becomes of them is decided while they run.
STOPPED = "sim-tokens=3000+rate=40+input=70+seed=3"
CRASHED = "sim-tokens=3000+rate=40+input=100+repeat=0+seed=6"
ENDED = "sim-tokens=3000+rate=40+input=110+repeat=0+seed=7"
RETRIED = "sim-tokens=20+input=80+fault=500+times=1+seed=4"
LIMITED = "sim-tokens=10+input=90+fault=429+times=1+wait=0.2+seed=5"
#: Tokens a second of an answer that is about to be cut: what was sent has been read by then.
SLOWLY = 0.5
#: Attempts that run, or are not in the rollups yet.
PENDING = "SELECT 1 FROM streaming_attempt WHERE (ended_at IS NULL OR NOT in_rollup)"
PRICE = {"input": 1, "output": 3, "cached": 0}
ENV = {
    "WORKER_PROBES": "127.0.0.1:0",
    "OPENAI_PRICE": ",".join(f"{name}={value}" for name, value in PRICE.items()),
    "TITLE_MODEL": "off",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "INFO",
    "USER_TOKENS_PER_DAY": "10000000",
}


@pytest.fixture(scope="module")
def demo(simulator: SimulatorProcess) -> Iterator[Demo]:
    models = simulator.env(openai=[CHAT, STOPPED, RETRIED, LIMITED, CRASHED, ENDED], anthropic=[MESSAGES])
    simulator.forget()  # its log is one of the books
    with Demo(env=models | ENV) as running:
        yield running


def conversations(demo: Demo) -> Iterator[str]:
    """Ann's: one for each question, so that nothing waits for another answer, and made before there is one: what two
    answers do at the same time must not wait for pages."""
    session = demo.session("ann")
    return iter([session.new_conversation() for _ in range(7)])


async def ask(free: Iterator[str], client: ChatClient, model: str) -> str:
    generation = await client.ask(next(free), f"Please go on, {model[-1]}.", model=model)
    await client.subscribe(generation)
    return generation


async def has_text(client: ChatClient, generation: str) -> None:
    view = client.view(generation)
    await client.until(lambda: len(view.text) > 120, "some text")


async def is_slow_and_read(simulator: SimulatorProcess, client: ChatClient, generation: str, model: str) -> None:
    """A worker that stood still for a while has not read all that was sent: what it counts is compared with that."""
    await has_text(client, generation)
    await asyncio.to_thread(simulator.pace, model, SLOWLY)
    sent = (await asyncio.to_thread(simulator.exchanges, model))[-1]["text"]
    view = client.view(generation)
    await client.until(lambda: len(view.text) >= len(sent), "all that was sent")


async def refuse(demo: Demo) -> None:
    """Bob has no tokens left: his question is refused before anything is written."""
    found = demo.rows("SELECT id FROM auth_user WHERE username = 'bob'")
    demo.database.change("INSERT INTO streaming_tokenbudget (user_id, tokens_per_day) VALUES (?, 1)", found[0]["id"])
    async with demo.client("bob") as bob:
        with pytest.raises(CommandFailed, match="budget_spent"):
            await bob.ask(demo.shared_conversation(), "May I?", model=CHAT)


async def end_in_the_log_alone(
    demo: Demo, client: ChatClient, simulator: SimulatorProcess, crashed: str, ended: str
) -> Samples:
    """One answer is in the middle of its text, another one over at the provider and in the log, but not in its row:
    that is locked. Then the only worker dies. Returns what it had counted."""
    await has_text(client, ended)
    await is_slow_and_read(simulator, client, crashed, CRASHED)

    def told() -> bool:
        with redis.Redis.from_url(demo.redis_url) as valkey:
            log: Any = valkey.xrange(keys.stream_log(ended))
            return any(b"stream.usage" in fields[b"f"] for _, fields in log)

    with demo.database.locked():
        await asyncio.to_thread(simulator.pace, ENDED, 0)
        await asyncio.to_thread(until, told, "the provider's count in the log")
        counted = worker_metrics(demo, demo.pid("worker 1"))
        killed = demo.kill("worker 1")
    assert simulator.exchanges(ENDED)[0]["outcome"] == "complete"
    await demo.back("worker 1", killed)
    assert (await client.ended(ended)).status == "completed"
    return counted


async def run_together(demo: Demo, simulator: SimulatorProcess, client: ChatClient, crashed: str, stopped: str) -> None:
    """What crashed goes on, and another answer beside it, until the worker has seen both; that one is stopped."""
    view = client.view(crashed)
    await client.until(lambda: view.position.attempt == 2, "the next attempt")
    await is_slow_and_read(simulator, client, stopped, STOPPED)

    def seen() -> bool:
        return sum(worker_metrics(demo, demo.pid("worker 1")).by("chat_lane_running", "lane").values()) >= 2

    await asyncio.to_thread(until, seen, "two answers at once")
    await client.command("generation.stop", generation=stopped)
    assert (await client.ended(stopped)).status == "stopped"
    await asyncio.to_thread(simulator.pace, CRASHED, 0)
    assert (await client.ended(crashed)).status == "completed"


async def traffic(demo: Demo, simulator: SimulatorProcess) -> Samples:
    free = await asyncio.to_thread(conversations, demo)
    async with demo.client("ann") as ann:
        for model in (CHAT, MESSAGES, RETRIED, LIMITED):
            assert (await ann.ended(await ask(free, ann, model))).status == "completed"
        await refuse(demo)
        # What has ended is in the books of the worker that dies.
        await asyncio.to_thread(until, lambda: not demo.rows(f"{PENDING} AND outcome = ''"), "the end of all attempts")
        crashed, ended = await ask(free, ann, CRASHED), await ask(free, ann, ENDED)
        counted = await end_in_the_log_alone(demo, ann, simulator, crashed, ended)
        await run_together(demo, simulator, ann, crashed, await ask(free, ann, STOPPED))
        return counted


def assert_ledger_is_true(demo: Demo, simulator: SimulatorProcess) -> None:
    """To the token, wherever the provider came to its end; what was cut is our count, and never nothing."""
    lines = ledger(demo)
    outcomes = {model: [(line["outcome"], line["usage_source"]) for line in of] for model, of in lines.items()}
    served = ("completed", "provider")
    assert outcomes == {
        CHAT: [served],
        MESSAGES: [served],
        STOPPED: [("stopped", "counted")],
        RETRIED: [("retried", ""), served],
        LIMITED: [("retried", ""), served],
        CRASHED: [("lost", "counted"), served],
        ENDED: [("lost", "provider"), served],
    }
    for model, of in lines.items():
        for line, exchange in zip(of, simulator.exchanges(model), strict=True):
            used, true = (line["input_tokens"], line["output_tokens"]), true_tokens(exchange)
            if line["usage_source"] == "provider":
                assert used == true, (model, line["number"])
            elif line["usage_source"] == "counted":
                assert used[0] > 0, model
                assert true[1] / 4 <= used[1] <= true[1] * 4, (model, used, true)
            else:
                assert used == (None, None), model
            if line["provider"] == "openai" and line["usage_source"]:
                fresh = line["input_tokens"] - line["cached_tokens"]
                assert line["cost_micro"] == fresh * PRICE["input"] + line["output_tokens"] * PRICE["output"]
            if line["outcome"] == "completed" and len(of) == 1:
                parts = line["waited_ms"] + line["handoff_ms"] + line["provider_ms"]
                assert line["ttft_ms"] == parts
    assert {line["cost_micro"] for line in lines[MESSAGES]} == {None}  # nobody named a price


def assert_rollups_agree(demo: Demo) -> None:
    true = sums(demo, "streaming_attempt", "ended_at IS NOT NULL")
    for table, span_s in (("usagerollup", 60), ("usagerollup", 3600), ("userrollup", 3600)):
        assert sums(demo, f"streaming_{table}", f"span_s = {span_s}") == true, (table, span_s)
    outcomes = Counter(line["outcome"] for of in ledger(demo).values() for line in of)
    for outcome, number in outcomes.items():
        rows = demo.rows(f"SELECT SUM({outcome}) AS n FROM streaming_usagerollup WHERE span_s = 60")
        assert rows[0]["n"] == number, outcome
    assert is_told(demo)


def is_told(demo: Demo) -> bool:
    """The load of all lanes, which the hour's end may have divided: one was refused, two ran at once, text came."""
    load = demo.rows("SELECT * FROM streaming_loadrollup WHERE span_s = 3600 AND lane = ''")
    shed, chunks = (sum(row[name] for row in load) for name in ("shed", "chunks"))
    assert shed <= 1
    return shed == 1 and chunks > 3 and max(row["peak_running"] for row in load) >= 2


def assert_metrics_agree(demo: Demo, workers: Samples, web: Samples) -> None:
    lines = [line for of in ledger(demo).values() for line in of]
    assert workers.by("chat_attempts_total", "model", "outcome") == Counter(
        (line["model"], line["outcome"]) for line in lines
    )
    for direction in ("input", "output", "cached"):
        used: Counter[str] = Counter()
        for line in lines:
            used[line["model"]] += line[f"{direction}_tokens"] or 0
        told = workers.by("chat_tokens_total", "model", direction=direction)
        assert told == {model: number for model, number in used.items() if number}, direction
    costs = workers.by("chat_cost_dollars_total", "model")
    assert {model: round(cost * 1e6) for model, cost in costs.items()} == {
        model: cost for model, (*_, cost) in sums(demo, "streaming_attempt", "cost_micro > 0").items()
    }
    assert workers.by("chat_stream_end_total", "reason") == {"completed": 6, "stopped": 1}
    assert sum(workers.by("chat_ttft_seconds_count", "model").values()) == sum(
        line["ttft_ms"] is not None for line in lines if line["outcome"] != "lost"
    ) + sum(line["ttft_ms"] is not None for line in lines if line["outcome"] == "lost")
    assert web.by("chat_shed_total", "reason") == {"budget_spent": 1}


def assert_logs_keep_secrets(demo: Demo, simulator: SimulatorProcess) -> None:
    """Ids, but neither what was asked and answered nor keys."""
    said = [line[line.index("{") :] for line in demo.lines if '{"' in line]
    events = [json.loads(line) for line in said]
    assert {event["generation_id"] for event in events if "generation_id" in event}
    assert any("attempt" in event and "task_id" in event for event in events)
    text = "\n".join(demo.lines)
    for exchange in simulator.log():
        assert exchange["text"][:30] not in text or not exchange["text"]
    for secret in ("Please go on,", "May I?", "for-tests", *demo.passwords().values()):
        lines = [line for line in demo.lines if secret in line and not line.startswith(("  ", "demo", "log in"))]
        assert not any("{" in line for line in lines), (secret, lines)


async def test_all_books_agree_with_what_the_provider_logged(demo: Demo, simulator: SimulatorProcess) -> None:
    counted = await traffic(demo, simulator)
    until(lambda: not demo.rows(PENDING), "the rollup of everything")
    until(lambda: is_told(demo), "the load of the last minutes")
    assert_ledger_is_true(demo, simulator)
    assert_rollups_agree(demo)
    workers = counted + worker_metrics(demo, demo.pid("worker 1"))
    assert_metrics_agree(demo, workers, scrape(f"{demo.url}metrics"))
    assert_logs_keep_secrets(demo, simulator)


def is_ready(page: Session) -> bool:
    """On a machine that does much else it may be too slow now and then."""
    try:
        return '"ok": true' in page.get("/readyz")
    except urllib.error.HTTPError as busy:
        busy.close()
        return False


def test_a_web_process_says_whether_it_is_ready_and_tells_strangers_nothing(demo: Demo) -> None:
    page = demo.session("ann")
    assert '"ok": true' in page.get("/livez")
    until(lambda: is_ready(page), "that it can do its work")
    page._browser.addheaders.append(("X-Forwarded-For", "203.0.113.9"))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        page.get("/metrics")
