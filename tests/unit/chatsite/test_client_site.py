"""How long the terminal's client tries: not at all where nobody ever answered, a while where somebody did."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from chatsite.client import site as client
from chatsite.client.__main__ import parser
from chatsite.client.commands import FAILED, run
from chatsite.client.site import Site, SiteError


class _Empty(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[str]:
    """The address of a site that answers, until the block ends."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(30)


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that is taken, and nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


@pytest.mark.parametrize(
    "words", [["models"], ["conversations"], ["send", "Hello"], ["watch", "7c9e6679"], ["stop", "7c9e6679"]]
)
def test_that_nobody_listens_is_said_at_once(
    words: list[str],
    silent: str,
    slept: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CHATSITE_KEY", "sk-chat-key")
    assert run(parser().parse_args([*words, "--site", silent])) == FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"Nobody answers at {silent} (Connection refused). Is the site running?\n"
    assert slept == []


def test_a_site_that_answered_before_is_given_time_to_come_back(slept: list[float]) -> None:
    with listening() as address:
        site = Site(address, "sk-chat-key")
        assert site.get("/models") == {}
    with socket.socket() as taken:  # nobody else takes its place meanwhile
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", urlsplit(address).port))
        with pytest.raises(SiteError, match="Nobody answers"):
            site.get("/models")
        assert slept == [1, 2, 4]
        slept.clear()
        with pytest.raises(SiteError, match="Nobody answers"):
            site.post("/conversations")  # without an idempotency key nothing is sent twice
        assert slept == []
