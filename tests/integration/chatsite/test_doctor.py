"""`manage.py doctor`: one line per finding, one advice where there is something to do."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from chatsite import buffering
from chatsite.management.commands import doctor
from chatsite.probes import Probes
from streaming import diagnosis, health, keys, prices, redis_client
from streaming.diagnosis import Finding
from tests.engine import SETTINGS, close_clients
from tests.valkey import Valkey

FINE = Finding("database", "ok", "It answers.")
POOR = Finding("eviction", "error", "It is allkeys-lru.", "Set noeviction.")
SO_SO = Finding("clock", "warning", "It is late.", "Run NTP.")


def look(*found: Finding) -> Any:
    return lambda: list(found)


def run(monkeypatch: pytest.MonkeyPatch, *looks: Any, **options: Any) -> tuple[str, int]:
    monkeypatch.setattr(doctor, "LOOKS", tuple(("it", one, "See to it.") for one in looks))
    monkeypatch.setattr(doctor, "_settings", lambda: [])
    out = StringIO()
    try:
        call_command("doctor", stdout=out, **options)
    except SystemExit as ended:
        return out.getvalue(), int(ended.code or 0)
    return out.getvalue(), 0


def test_each_finding_has_a_line_and_each_trouble_an_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    said, code = run(monkeypatch, look(FINE, SO_SO))
    assert (said, code) == ("ok      database: It answers.\nWARNING clock: It is late.\n        → Run NTP.\n", 0)


def test_an_error_is_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, look(POOR), look(FINE))[1] == 1


def test_what_does_not_answer_is_a_finding_and_the_others_are_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> list[Finding]:
        raise ConnectionRefusedError("no")

    said, code = run(monkeypatch, refuse, look(FINE))
    assert said.startswith("ERROR   it: It does not answer (ConnectionRefusedError: no).\n        → See to it.\n")
    assert "It answers." in said
    assert code == 1


async def _hang() -> list[Finding]:
    await asyncio.Event().wait()
    return []


def test_nothing_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "WITHIN_S", 0.05)
    assert "TimeoutError" in run(monkeypatch, _hang)[0]


@pytest.fixture
async def clients(settings: Any, valkey: Valkey) -> AsyncIterator[None]:
    settings.STREAMING = SETTINGS | {"redis_url": valkey.url}
    yield
    await close_clients()


@pytest.mark.django_db
def test_a_database_with_all_migrations() -> None:
    assert [found.verdict for found in diagnosis.database()] == ["ok", "ok"]


@pytest.mark.usefixtures("clients")
async def test_a_valkey_that_evicts_is_an_error_and_one_without_a_file_a_warning() -> None:
    client = redis_client.get()
    before = await client.config_get("maxmemory-policy", "appendonly", "save")
    try:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        await client.config_set("save", "")
        await client.config_set("appendonly", "no")
        found = {one.about: one for one in await diagnosis.redis()}
        assert (found["valkey"].verdict, found["eviction"].verdict, found["persistence"].verdict) == (
            "ok", "error", "warning",
        )  # fmt: skip
        assert "allkeys-lru" in found["eviction"].sentence
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("save", "3600 1")
        assert {one.verdict for one in await diagnosis.redis()} == {"ok"}
    finally:
        for name, value in before.items():
            await client.config_set(name, value)


@pytest.mark.usefixtures("clients")
async def test_without_a_worker_there_is_advice() -> None:
    client = redis_client.get()
    await client.delete(keys.WORKERS_KNOWN)
    (found,) = await diagnosis.workers()
    assert (found.verdict, found.sentence) == ("error", "No worker is alive.")
    assert "celery" in found.advice
    for number, version in enumerate(("1", "2")):
        await client.sadd(keys.WORKERS_KNOWN, f"w{number}")
        said = json.dumps({"runs": 2, "slots_max": 10, "version": version})
        await client.set(keys.worker_lease(f"w{number}"), said, px=10_000)
    (found,) = await diagnosis.workers()
    assert found.verdict == "warning"
    assert found.sentence.startswith("2 alive, 4 of 20 places taken, last heard 0 s ago. They are of 2 releases")
    await client.delete(keys.WORKERS_KNOWN, keys.worker_lease("w0"), keys.worker_lease("w1"))


@pytest.mark.usefixtures("clients")
async def test_a_clock_that_is_apart_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await diagnosis.clock())[0].verdict == "ok"
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 90)
    (found,) = await diagnosis.clock()
    assert (found.verdict, found.sentence) == ("warning", "Valkey's clock is 90.0 s apart from ours.")


@pytest.mark.usefixtures("clients")
async def test_the_channel_layer_goes_round() -> None:
    assert (await diagnosis.layer())[0].verdict == "ok"
    assert health.WITHIN_S


@pytest.mark.django_db
def test_models_without_keys_and_prices_are_told(settings: Any) -> None:
    prices.forget()
    demo = {"alias": "demo", "label": "Demo", "provider": "demo", "model": "demo"}
    locked = {"alias": "gpt", "label": "GPT", "provider": "openai", "model": "gpt-5", "unavailable": "No key."}
    settings.STREAMING = {"models": (demo, locked), "site_cost_per_day": 1}
    assert [(found.about, found.verdict) for found in diagnosis.models()] == [
        ("models", "ok"), ("models", "warning"), ("prices", "warning"),
    ]  # fmt: skip
    settings.STREAMING = {"models": (locked,)}
    assert diagnosis.models()[0].verdict == "error"


class _Site(BaseHTTPRequestHandler):
    """As a proxy that passes on, or holds back."""

    holds_back = False

    def do_GET(self) -> None:
        status = 200 if self.path == buffering.PATH else 404
        self.send_response(status)
        self.end_headers()
        for number in range(buffering.LINES if status == 200 else 0):
            if number and not self.holds_back:
                time.sleep(buffering.PAUSE_S)
            self.wfile.write(b": line\n\n")

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def site() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("holds_back", "verdict"), [(False, "ok"), (True, "error")])
def test_a_proxy_that_holds_back_is_found(
    site: str, monkeypatch: pytest.MonkeyPatch, holds_back: bool, verdict: str
) -> None:
    monkeypatch.setattr(_Site, "holds_back", holds_back)
    assert [found.verdict for found in buffering.buffering(f"{site}/")] == [verdict]


def test_an_address_that_leads_elsewhere_is_told(site: str) -> None:
    (found,) = buffering.buffering(f"{site}/elsewhere")
    assert (found.verdict, "404" in found.sentence) == ("error", True)


async def test_a_web_process_sends_its_lines_one_by_one() -> None:
    sent: list[tuple[float, dict[str, Any]]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append((time.monotonic(), message))

    scope = {"type": "http", "method": "GET", "path": buffering.PATH, "headers": [], "client": None}
    await Probes(None, "")(scope, None, send)  # type: ignore[arg-type]
    bodies = [message for _, message in sent[1:]]
    assert [body["more_body"] for body in bodies] == [True] * (buffering.LINES - 1) + [False]
    assert sent[-1][0] - sent[1][0] >= buffering.PAUSE_S * (buffering.LINES - 1) * 0.9
