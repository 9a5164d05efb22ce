"""A container whose process does not do its work is not healthy, whatever the reason."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from chatsite import healthcheck


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("PORT", str(listener.getsockname()[1]))
    return listener


@pytest.mark.parametrize(("status", "healthy"), [("200 OK", True), ("302 Found", False), ("500 Oops", False)])
def test_a_web_process_is_healthy_if_a_page_comes(port: socket.socket, status: str, healthy: bool) -> None:
    def answer() -> None:
        with port.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    server = threading.Thread(target=answer)
    server.start()
    assert healthcheck.main("web") is healthy
    server.join()
    port.close()


def test_a_web_process_that_does_not_listen_is_not(port: socket.socket) -> None:
    port.close()
    assert healthcheck.main("web") is False


def test_a_worker_that_is_not_ready_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READY_FILE", str(tmp_path / "ready"))
    assert healthcheck.main("worker") is False


def test_a_ready_worker_whose_valkey_is_away_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ready").touch()
    monkeypatch.setenv("READY_FILE", str(tmp_path / "ready"))
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path / 'none.sock'}")
    assert healthcheck.main("worker") is False
