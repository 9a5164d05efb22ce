"""The words and the environment of the demo's processes."""

from __future__ import annotations

from pathlib import Path

import environ
import pytest
from redis.connection import parse_url

from chatsite.demo.commands import ValkeyAddress, environment
from chatsite.demo.folder import DataFolder


def make(path: Path) -> tuple[DataFolder, ValkeyAddress]:
    folder = DataFolder(path)
    for part in (folder.path, folder.valkey, folder.run):
        part.mkdir(parents=True, exist_ok=True)
    return folder, ValkeyAddress(folder)


def test_valkey_is_reached_through_a_private_socket() -> None:
    valkey = ValkeyAddress(DataFolder(Path("/home/ann/.chatsite")))
    assert valkey.url == "unix:///home/ann/.chatsite/valkey/valkey.sock"
    socket = "/home/ann/.chatsite/valkey/valkey.sock"
    assert valkey.urls() == (f"unix://{socket}", f"redis+socket://{socket}")
    assert valkey.urls("/other/way") == ("unix:///other/way", "redis+socket:///other/way")


@pytest.mark.parametrize("name", ["long-" * 20, "with space", "100%", "ü"])
def test_where_a_socket_would_not_do_it_is_loopback_with_a_password(tmp_path: Path, name: str) -> None:
    _, valkey = make(tmp_path / name)
    parts = parse_url(valkey.url)  # type: ignore[no-untyped-call]
    assert parts["host"] == "127.0.0.1"
    assert f"requirepass {parts['password']}" in valkey.write_configuration().read_text()
    assert valkey.urls() == (valkey.url, valkey.url)


def test_valkey_never_evicts_and_outlives_the_demo(tmp_path: Path) -> None:
    _, valkey = make(tmp_path)
    lines = valkey.write_configuration().read_text().splitlines()
    assert {"maxmemory-policy noeviction", "appendonly yes"} <= set(lines)


@pytest.mark.parametrize("name", ["plain", "a b+c #1 100%?é"])
def test_the_database_is_found_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    folder, valkey = make(tmp_path / name)
    url = environment(folder, valkey, 8000)["DATABASE_URL"]
    assert environ.Env.db_url_config(url)["NAME"] == str(folder.database)


def test_pages_of_this_port_only_may_open_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "*")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    env = environment(*make(tmp_path), 8123)
    assert env["ALLOWED_ORIGINS"] == "http://127.0.0.1:8123,http://localhost:8123,http://[::1]:8123"
    assert env["ANTHROPIC_API_KEY"] == "key"
