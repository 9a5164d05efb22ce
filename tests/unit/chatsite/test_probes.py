"""Probes of a web process are answered before Django, and say nothing to strangers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat import sockets
from chatsite.probes import Probes
from streaming import health


async def django(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"a page"})


async def get(
    path: str, *, token: str = "", client: Any = ("127.0.0.1", 5), method: str = "GET", **headers: str
) -> tuple[int, str]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": client}
    await Probes(django, token)(scope, None, send)
    return sent[0]["status"], sent[1]["body"].decode()


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []

    async def look() -> list[str]:
        return found

    monkeypatch.setattr(health, "problems", look)
    return found


async def test_other_paths_are_pages() -> None:
    assert await get("/") == (299, "a page")
    assert await get("/readyz/") == (299, "a page")
    assert await get("/livez", method="POST") == (299, "a page")


async def test_a_living_process_needs_nothing_else() -> None:
    assert await get("/livez", client=("203.0.113.5", 1)) == (200, '{"ok": true, "problems": []}')
    assert await get("/livez", method="HEAD") == (200, "")


async def test_a_process_is_ready_while_all_it_needs_answers(problems: list[str]) -> None:
    assert (await get("/readyz"))[0] == 200
    problems.append("redis")
    status, body = await get("/readyz")
    assert (status, json.loads(body)) == (503, {"ok": False, "problems": ["redis"]})


async def test_a_process_that_ends_is_not_ready(problems: list[str]) -> None:
    sockets.get().restarting = True
    status, body = await get("/readyz")
    assert (status, json.loads(body)["problems"]) == (503, ["draining"])


async def test_metrics_are_for_this_machine() -> None:
    status, body = await get("/metrics")
    assert status == 200
    assert "# TYPE chat_ws_connections gauge" in body
    assert (await get("/metrics", client=("::1", 5)))[0] == 200


@pytest.mark.parametrize("client", [("203.0.113.5", 1), ("10.0.0.1", 1), None, ("testclient", 0)])
async def test_metrics_are_not_for_others(client: Any) -> None:
    assert await get("/metrics", client=client) == (404, "Not Found")


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip"])
async def test_who_comes_through_a_proxy_of_this_machine_is_another(header: str) -> None:
    assert (await get("/metrics", **{header: "127.0.0.1"}))[0] == 404


async def test_with_a_token_only_the_token_counts() -> None:
    assert (await get("/metrics", token="secret"))[0] == 404
    assert (await get("/metrics", token="secret", authorization="Bearer wrong"))[0] == 404
    anywhere = {"client": ("203.0.113.5", 1), "x_forwarded_for": "203.0.113.5"}
    assert (await get("/metrics", token="secret", authorization="Bearer secret", **anywhere))[0] == 200
