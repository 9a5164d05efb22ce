"""Shared fixtures. `valkey` is one real server for the session, emptied before each test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from django.test import TransactionTestCase
from django.utils import translation
from hypothesis import HealthCheck, settings

from tests import settings as test_settings
from tests.empty_database import empty_databases
from tests.valkey import Valkey

# The same examples everywhere, however slow the machine: what landed green stays green. To search for new ones:
# `pytest --hypothesis-profile=default`.
settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def quick_ends() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_databases)
        yield


@pytest.fixture(autouse=True)
def _english() -> None:
    """A request in another language leaves it to its thread, and so to the next test."""
    translation.deactivate()


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
