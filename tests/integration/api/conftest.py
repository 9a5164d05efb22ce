from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from streaming import database
from tests.engine import Change, Engine
from tests.integration.api.program import Program, make_program
from tests.integration.chat.live_server import LiveServer
from tests.integration.streaming.conftest import change, engine, provider, streaming_settings  # noqa: F401
from tests.valkey import Valkey


@pytest.fixture
def hooked(change: Change) -> None:  # noqa: F811
    """The real hooks; the model is the scripted one."""
    change(prompt_builder="chat.api.hooks.build_prompt", on_ended="chat.api.hooks.generation_ended")


@pytest.fixture
def server(transactional_db: Any, valkey: Valkey, hooked: None) -> Iterator[LiveServer]:
    live = LiveServer()
    live.start()
    yield live
    live.stop()


@pytest.fixture
async def program(engine: Engine, server: LiveServer) -> AsyncIterator[Program]:  # noqa: F811
    """A program with a key, and a worker whose model it asks."""
    there = await database.call(make_program, server)
    yield there
    await there.aclose()
