"""The simulator as acceptance tests and benchmarks use it: a process of its own, asked over HTTP."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.simulator import Simulator
from tests.simulator.script import Script, parse


@pytest.fixture
def address() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-m", "tests.simulator"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = re.fullmatch(r"ready: (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert ready
        yield ready[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def ask(address: str, path: str, body: Any = None, method: str | None = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address + path, data, method=method), timeout=60) as answer:
        return bytes(answer.read())


def test_a_process_tells_its_ground_truth_over_http(address: str) -> None:
    assert json.loads(ask(address, "/health")) == {"ok": True}
    asked_at = time.time()
    events = ask(address, "/v1/chat/completions", {"model": "sim-tokens=3,seed=7"}).decode()
    (exchange,) = json.loads(ask(address, "/log"))
    contents = [json.loads(line[6:])["choices"] for line in events.splitlines() if line.startswith('data: {"id')]
    said = "".join(choices[0]["delta"].get("content", "") for choices in contents if choices)
    assert exchange["text"] == said
    assert (exchange["outcome"], exchange["tokens"], exchange["client_closed_at"]) == ("complete", 3, None)
    assert asked_at <= exchange["received_at"] <= exchange["first_text_at"] <= exchange["ended_at"] <= time.time()
    ask(address, "/log", method="DELETE")
    assert json.loads(ask(address, "/log")) == []


def test_limits_are_set_read_and_paused_over_http(address: str) -> None:
    ask(address, "/limits", {"requests_per_minute": 1, "scale": 2})
    ask(address, "/limits", {"model": "sim-tokens=7", "concurrency": 1})
    ask(address, "/v1/messages", {"model": "sim-tokens=1"})
    with pytest.raises(HTTPError) as refused:
        ask(address, "/v1/messages", {"model": "sim-tokens=1"})
    assert (refused.value.code, refused.value.headers["anthropic-ratelimit-requests-limit"]) == (429, "2")
    assert int(refused.value.headers["retry-after"]) in range(10, 31)
    refused.value.close()
    ask(address, "/pause", {"model": "sim-tokens=7", "status": 529, "seconds": 60})
    with pytest.raises(HTTPError) as paused:
        ask(address, "/v1/messages", {"model": "sim-tokens=7"})
    assert (paused.value.code, paused.value.headers["retry-after"]) == (529, None)
    paused.value.close()
    seen = json.loads(ask(address, "/limits"))
    assert (seen["*"]["own_faults"], seen["*"]["refused"], seen["*"]["most_running"]) == (1, {"requests": 1}, 1)
    assert (seen["sim-tokens=7"]["own_faults"], seen["sim-tokens=7"]["paused"]) == (0, 1)
    ask(address, "/limits", method="DELETE")
    assert json.loads(ask(address, "/limits"))["*"]["own_faults"] == 0
    with pytest.raises(HTTPError) as unknown:
        ask(address, "/limits", {"rpm": 1})
    assert unknown.value.code == 400
    unknown.value.close()


def test_a_process_starts_with_limits() -> None:
    command = [sys.executable, "-m", "tests.simulator", "--limits", "requests_per_minute=1,scale=3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("ready: ").strip()
        ask(address, "/v1/messages", {"model": "sim-tokens=1"})
        assert json.loads(ask(address, "/limits"))["*"]["levels"]["requests"] < 1
        process.terminate()
        assert process.wait(timeout=60) == 0


async def _read(simulator: Simulator, model: str) -> list[str]:
    """The lines of a chat answer, read with nothing in between."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.base_url.rsplit(":", 1)[1]))
    body = json.dumps({"model": model}).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    answer = await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return answer.decode().splitlines()


async def test_a_stamp_is_the_time_of_its_sending() -> None:
    async with Simulator() as simulator:
        before = time.time_ns()
        lines = await _read(simulator, "sim-tokens=5,rate=100,stamp=1")
        stamps = [int(stamp) for line in lines for stamp in re.findall(r'"content":"@(\d{19});', line)]
        assert len(stamps) == 5
        assert before < stamps[0]
        assert stamps == sorted(stamps)
        assert stamps[-1] < time.time_ns()


async def test_the_pace_is_absolute() -> None:
    async with Simulator() as simulator:
        start = time.monotonic()
        await asyncio.gather(*(_read(simulator, "sim-tokens=40,rate=40,first=0.2") for _ in range(50)))
        assert 1.1 < time.monotonic() - start < 30  # one after the other: a minute


async def test_a_slow_reader_is_waited_for_and_not_buffered_without_end() -> None:
    async with Simulator() as simulator:
        _, writer = await asyncio.open_connection("127.0.0.1", int(simulator.base_url.rsplit(":", 1)[1]))
        body = json.dumps({"model": "sim-tokens=1000000"}).encode()
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await simulator.until(lambda: simulator.exchanges and simulator.exchanges[0].sent)
        sent = -1
        while sent != len(simulator.exchanges[0].sent):
            sent = len(simulator.exchanges[0].sent)
            await asyncio.sleep(0.1)
        assert sent < 200_000
        writer.close()
        await writer.wait_closed()


def test_a_script_is_read_from_the_models_name() -> None:
    assert parse("gpt-x") == Script()
    assert parse("sim-tokens=5,rate=2.5,fault=rst") == Script(tokens=5, rate=2.5, fault="rst")
    assert parse("sim-tokens=9").fault_at == 4


@pytest.mark.parametrize("model", ["sim-flood=1", "sim-fault=flood", "sim-tokens=many", "sim-"])
def test_a_wrong_script_is_named(model: str) -> None:
    with pytest.raises(ValueError, match=r"knows no|invalid literal"):
        parse(model)
