"""Both real SDKs over real HTTP against the simulator, which says what was really sent."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from streaming import providers
from streaming.errors import (
    ProviderError,
    ProviderGarbled,
    ProviderIncomplete,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderSpendLimit,
    ProviderTimeout,
    ProviderUnavailable,
)
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import Finish, Limits, ModelEntry, Part, Reasoning, Text, Usage
from tests.simulator import Exchange, Simulator

KEY, SECRET = "sk-canary-key", "canary prompt"
PROMPT = Prompt((PromptMessage("user", SECRET),), system="canary system")
DIALECTS = {"anthropic": ("anthropic", "chat"), "chat": ("openai", "chat"), "responses": ("openai", "responses")}


@dataclass
class Answer:
    parts: list[Part] = field(default_factory=list)
    error: ProviderError | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass
class Client:
    """One dialect of one vendor, pointed at the simulator."""

    simulator: Simulator
    entry: ModelEntry

    async def read(self, script: str) -> Answer:
        answer = Answer()
        try:
            async for part in self.stream(script):
                answer.parts.append(part)
        except ProviderError as error:
            answer.error = error
        return answer

    def stream(self, script: str) -> Any:
        entry = replace(self.entry, model=f"sim-{script}")
        return providers.get_provider(entry).stream(entry, PROMPT)

    @property
    def last(self) -> Exchange:
        return self.simulator.exchanges[-1]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator
        await providers.aclose_all()


@pytest.fixture(params=DIALECTS)
def client(request: pytest.FixtureRequest, simulator: Simulator) -> Client:
    provider, dialect = DIALECTS[request.param]
    base_url = simulator.base_url if provider == "anthropic" else simulator.openai_url
    entry = ModelEntry("m", "M", provider, "sim-", dialect=dialect, base_url=base_url, api_key=KEY)
    return Client(simulator, entry)


async def test_a_good_answer_is_text_then_usage_then_finish(client: Client) -> None:
    answer = await client.read("tokens=50")
    assert answer.error is None
    *texts, usage, finish = answer.parts
    assert [part.text for part in texts if isinstance(part, Text)] == client.last.sent
    assert usage == Usage(input_tokens=12, output_tokens=50, cached_tokens=3)
    assert finish == Finish("stop")


@pytest.mark.parametrize(
    "script",
    [
        "tokens=120,unicode=1",
        "tokens=60,unicode=1,split=1",
        "tokens=4,big=1000000,at=2",
        "tokens=4,big=70000,at=2,unicode=1,split=1",
        "tokens=30,fault=unknown",
        "tokens=30,ping=2",
        "tokens=5000,burst=500",
        "tokens=20,rate=200,first=0.05,headers=0.05",
        "tokens=10,stamp=1",
        "tokens=0",
        "fault=empty",
    ],
)
async def test_the_text_is_exactly_what_was_sent(client: Client, script: str) -> None:
    answer = await client.read(script)
    assert answer.error is None
    assert answer.text == client.last.text
    assert answer.parts[-1] == Finish("stop")
    assert client.last.outcome == "complete"


async def test_thoughts_are_signs_of_life_and_no_text(client: Client) -> None:
    answer = await client.read("tokens=5,thoughts=3")
    assert [part for part in answer.parts if isinstance(part, Reasoning)] == [
        Reasoning("thought 0 "),
        Reasoning("thought 1 "),
        Reasoning("thought 2 "),
    ]
    assert answer.text == client.last.text


#: As the vendors sent them: the two that matter here, with a stranger between them.
LIMIT_HEADERS = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-11-20T12:00:01Z",
    "x-ratelimit-limit-tokens": "20000",
    "x-ratelimit-remaining-tokens": "15482",
    "x-ratelimit-reset-tokens": "13.554s",
}


async def test_what_an_answers_headers_say_of_the_limits_comes_first_and_once(client: Client) -> None:
    client.simulator.headers = {"Set-Cookie": "a=b"} | {name.title(): value for name, value in LIMIT_HEADERS.items()}
    answer = await client.read("tokens=5,thoughts=2")
    assert answer.parts[0] == Limits(LIMIT_HEADERS)
    assert [type(part) for part in answer.parts].count(Limits) == 1
    assert answer.text == client.last.text


@pytest.mark.parametrize("fault", ["429", "503", "529"])
async def test_a_refusal_says_what_its_headers_say_of_the_limits(client: Client, fault: str) -> None:
    client.simulator.headers = {"Set-Cookie": "a=b", **LIMIT_HEADERS}
    answer = await client.read(f"fault={fault},wait=3")
    assert answer.error is not None
    assert (answer.error.headers, answer.error.retry_after_s) == (LIMIT_HEADERS, 3.0)
    assert answer.parts == []


async def test_a_vendor_that_says_nothing_of_limits_gives_no_such_part(client: Client) -> None:
    assert not any(isinstance(part, Limits) for part in (await client.read("tokens=5")).parts)
    refused = await client.read("fault=429")
    assert refused.error is not None
    assert refused.error.headers == {}


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_the_reason_of_the_end_arrives(client: Client, reason: str) -> None:
    assert (await client.read(f"tokens=3,reason={reason}")).parts[-1] == Finish(reason)


async def test_an_answer_without_counts_is_still_complete(client: Client) -> None:
    answer = await client.read("tokens=3,fault=nousage")
    assert answer.error is None
    assert answer.parts[-1] == Finish("stop")


async def test_a_body_without_end_after_the_end_marker_delays_but_does_not_fail(client: Client) -> None:
    start = time.monotonic()
    answer = await client.read("tokens=3,fault=hang")
    assert answer.parts[-1] == Finish("stop")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("script", "kind", "code", "retry_after_s"),
    [
        ("fault=400", ProviderRejected, "bad_request", None),
        ("fault=context", ProviderRejected, "context_too_long", None),
        ("fault=401", ProviderRejected, "bad_key", None),
        ("fault=402", ProviderSpendLimit, "spend_limit", None),
        ("fault=403", ProviderRejected, "not_permitted", None),
        ("fault=404", ProviderRejected, "model_not_found", None),
        ("fault=413", ProviderRejected, "context_too_long", None),
        ("fault=429", ProviderRateLimited, "rate_limited", None),
        ("fault=429,wait=7", ProviderRateLimited, "rate_limited", 7.0),
        ("fault=spend", ProviderSpendLimit, "spend_limit", None),
        ("fault=spend,wait=7", ProviderSpendLimit, "spend_limit", None),
        ("fault=500", ProviderUnavailable, "provider_failed", None),
        ("fault=502", ProviderUnavailable, "provider_failed", None),
        ("fault=503,wait=2", ProviderOverloaded, "overloaded", 2.0),
        ("fault=529", ProviderOverloaded, "overloaded", None),
        ("fault=html", ProviderGarbled, "not_a_stream", None),
        ("fault=json200", ProviderGarbled, "not_a_stream", None),
        ("fault=redirect", ProviderRejected, "redirected", None),
    ],
)
async def test_a_refusal_becomes_our_error_after_one_request(
    client: Client, script: str, kind: type[ProviderError], code: str, retry_after_s: float | None
) -> None:
    answer = await client.read(script)
    assert type(answer.error) is kind
    assert (answer.error.code, answer.error.retry_after_s) == (code, retry_after_s)
    assert answer.error.retryable is (kind not in (ProviderRejected, ProviderSpendLimit))
    assert answer.parts == []
    # No hidden retries, and the prompt goes nowhere else.
    assert len(client.simulator.exchanges) == 1


async def test_a_retry_after_date_becomes_seconds(client: Client) -> None:
    answer = await client.read("fault=429,wait=100,date=1")
    assert answer.error is not None
    assert answer.error.retry_after_s == pytest.approx(100, abs=3)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("error", ProviderUnavailable, "provider_failed"),
        ("overloaded", ProviderOverloaded, "overloaded"),
        ("failed", ProviderUnavailable, "provider_failed"),
        ("rst", ProviderUnavailable, "connection_lost"),
        ("fin", ProviderUnavailable, "connection_lost"),
        ("clean", ProviderIncomplete, "provider_incomplete"),
        ("badjson", ProviderGarbled, "provider_garbled"),
        ("badutf8", ProviderGarbled, "provider_garbled"),
        ("badshape", ProviderGarbled, "provider_garbled"),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 15])
async def test_a_cut_answer_is_never_complete_and_loses_nothing_before_the_cut(
    client: Client, fault: str, kind: type[ProviderError], code: str, at: int
) -> None:
    answer = await client.read(f"tokens=30,rate=500,fault={fault},at={at}")
    assert type(answer.error) is kind
    assert (answer.error.code, answer.error.retryable) == (code, True)
    assert not any(isinstance(part, Finish | Usage) for part in answer.parts)
    # After a reset the kernel may throw away what was not read yet.
    sent = client.last.text
    assert sent.startswith(answer.text) if fault == "rst" else answer.text == sent


async def test_a_closed_port_is_unavailable(client: Client) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client.entry = replace(client.entry, base_url=f"http://127.0.0.1:{closed.getsockname()[1]}/v1")
        answer = await client.read("tokens=1")
    assert type(answer.error) is ProviderUnavailable
    assert answer.error.code == "provider_unavailable"


async def test_an_address_that_is_none_is_rejected(client: Client) -> None:
    client.entry = replace(client.entry, base_url="ftp://127.0.0.1/")
    answer = await client.read("tokens=1")
    assert type(answer.error) is ProviderRejected
    assert answer.error.code == "bad_address"


@pytest.mark.parametrize("script", ["headers=30", "tokens=3,first=30", "tokens=10,fault=stall,at=3"])
async def test_silence_ends_at_the_sockets_own_deadline_if_nobody_else_watches(
    client: Client, script: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr("streaming.providers.transport.READ_MARGIN_S", 0.1)
    settings.STREAMING = {"first_text_timeout_s": 0.1, "between_text_timeout_s": 0.1}
    answer = await client.read(script)
    assert type(answer.error) is ProviderTimeout
    assert answer.error.code == "provider_timeout"
    await client.simulator.until(lambda: client.last.client_closed_at)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("script", ["headers=30", "tokens=3,first=30", "tokens=1000,rate=50", "fault=stall,at=3"])
async def test_cancelling_the_reader_closes_the_connection_at_once(client: Client, script: str) -> None:
    waits_for_text, got_text = "first" not in script and "headers" not in script, asyncio.Event()

    async def read() -> None:
        async for _ in client.stream(script):
            got_text.set()

    task = asyncio.create_task(read())
    await client.simulator.until(lambda: client.simulator.exchanges)
    if waits_for_text:
        await got_text.wait()
    cancelled_at = time.time()
    await _cancel(task)
    await client.simulator.until(lambda: client.last.client_closed_at)
    assert client.last.client_closed_at is not None
    assert client.last.client_closed_at - cancelled_at < 1
    assert client.last.outcome == "client_closed"


async def test_closing_the_iterator_closes_the_connection_at_once(client: Client) -> None:
    async with aclosing(client.stream("tokens=1000,rate=50")) as parts:
        await anext(parts)
        closed_at = time.time()
    await client.simulator.until(lambda: client.last.client_closed_at)
    assert client.last.client_closed_at is not None
    assert client.last.client_closed_at - closed_at < 1


async def test_a_complete_answers_connection_serves_the_next_one(client: Client) -> None:
    connections: list[object] = []
    accept = client.simulator.connected
    client.simulator.connected = lambda connection: (connections.append(connection), accept(connection))  # type: ignore[method-assign, return-value, func-returns-value]
    for _ in range(3):
        await client.read("tokens=5")
    assert len(connections) == 1


async def test_more_streams_than_a_default_pool_run_at_once(client: Client) -> None:
    answers = asyncio.gather(*(client.read("tokens=3,fault=stall,at=0") for _ in range(120)))
    await client.simulator.until(lambda: len(client.simulator.exchanges) == 120, 30)  # none of them ends by itself
    answers.cancel()
    await asyncio.wait({answers})


async def test_nothing_of_ours_but_model_prompt_and_key_reaches_the_vendor(client: Client) -> None:
    await client.read("tokens=1")
    sent = client.last
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["accept-encoding"] == "identity"
    assert "cookie" not in sent.headers
    assert not {"temperature", "top_p", "top_k", "user", "metadata"} & sent.body.keys()
    assert sent.body["stream"] is True


@pytest.mark.parametrize(
    "script",
    [
        "fault=400",
        "fault=401",
        "fault=429",
        "fault=500",
        "fault=context",
        "tokens=4,fault=error",
        "tokens=4,fault=failed",
        "tokens=4,fault=badjson",
        "tokens=4,fault=rst",
        "tokens=4",
    ],
)
async def test_neither_errors_nor_logs_quote_key_prompt_or_vendor(
    client: Client, script: str, caplog: pytest.LogCaptureFixture
) -> None:
    # The root logger at its most talkative; a vendor's own logger must stay quiet by itself.
    caplog.set_level(logging.DEBUG)
    answer = await client.read(script)
    said = caplog.text + (f"{answer.error!r} {answer.error.message}" if answer.error else "")
    assert answer.error is None or answer.error.__suppress_context__
    for word in (KEY, SECRET, "canary system", "vendor text"):
        assert word not in said


@pytest.mark.parametrize("fault", ["429", "500", "rst", "clean"])
async def test_a_fault_may_pass(client: Client, fault: str) -> None:
    script = f"tokens=5,fault={fault},times=2"
    errors = [(await client.read(script)).error is not None for _ in range(3)]
    assert errors == [True, True, False]


async def test_streams_do_not_mix(client: Client) -> None:
    scripts = [f"tokens=40,unicode=1,seed={seed},rate=400" for seed in range(30)]
    answers = await asyncio.gather(*(client.read(script) for script in scripts))
    sent: dict[str, str] = {exchange.model: exchange.text for exchange in client.simulator.exchanges}
    assert [answer.text for answer in answers] == [sent[f"sim-{script}"] for script in scripts]
    assert len(set(sent.values())) == len(scripts)


async def test_the_simulator_names_a_word_it_does_not_know(client: Client) -> None:
    answer = await client.read("tokens=5,fault=flood")
    assert answer.error is not None
    assert answer.error.code == "bad_request"
