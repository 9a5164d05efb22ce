"""Shared fixtures. `valkey` is one real server for the session, emptied before each test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests import settings as test_settings
from tests.valkey import Valkey


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    server = Valkey(test_settings.VALKEY_SOCKET)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    with redis.Redis(unix_socket_path=str(valkey_server.socket)) as client:
        client.flushall()
    return valkey_server
