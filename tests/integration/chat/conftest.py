from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streaming import database
from tests.integration.chat.live_server import LiveServer
from tests.valkey import Valkey


@pytest.fixture
def server(transactional_db: Any, valkey: Valkey) -> Iterator[LiveServer]:
    live = LiveServer()
    live.start()
    yield live
    live.stop()
    database.shutdown()
