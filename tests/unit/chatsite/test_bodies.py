"""Bodies are bounded in bytes and in time before Django spools them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chatsite.bodies import THROWN_AWAY_MAX_BYTES, BoundedBodies

MOST = 1000


class Application:
    """Reads the whole body, as Django does, and then waits for the client to go."""

    def __init__(self) -> None:
        self.body = b""
        self.refused: int | None = None
        self.last = ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            self.last = message["type"]
            if self.last == "http.disconnect":
                return
            self.body += message["body"]
            more = message["more_body"]
        self.refused = scope.get("body_refused")


async def serve(pieces: list[bytes], *, ends: str = "whole", within_s: float = 30.0) -> tuple[Application, int]:
    """Also: how many pieces were taken."""
    application, taken = Application(), 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if taken == len(pieces):
            if ends == "gone":
                return {"type": "http.disconnect"}
            await asyncio.Event().wait()
        taken += 1
        return {"type": "http.request", "body": pieces[taken - 1], "more_body": taken < len(pieces) or ends != "whole"}

    async with asyncio.timeout(60):
        await BoundedBodies(application, MOST, within_s)({"type": "http"}, receive, None)
    return application, taken


async def test_a_body_within_the_limit_arrives_as_it_is() -> None:
    application, _ = await serve([b"a" * 600, b"b" * 400])
    assert (application.body, application.refused) == (b"a" * 600 + b"b" * 400, None)


async def test_what_is_too_large_is_read_to_its_end_and_kept_nowhere() -> None:
    application, taken = await serve([b"a" * 600, b"b" * 401, b"c" * 5000])
    assert (application.body, application.refused, taken) == (b"a" * 600, 413, 3)


async def test_what_does_not_end_is_not_read_to_its_end() -> None:
    piece = b"x" * 1_048_576
    application, taken = await serve([piece] * 100)
    assert (application.body, application.refused) == (b"", 413)
    assert taken <= THROWN_AWAY_MAX_BYTES // len(piece) + 2


async def test_a_body_that_stops_coming_is_refused() -> None:
    application, _ = await serve([b"a"], ends="never", within_s=0.05)
    assert (application.body, application.refused) == (b"a", 408)


@pytest.mark.parametrize("pieces", [[b"a"], [b"a" * 2000]], ids=["small", "too large"])
async def test_a_client_that_goes_is_told_to_the_application(pieces: list[bytes]) -> None:
    application, _ = await serve(pieces, ends="gone")
    assert (application.last, application.refused) == ("http.disconnect", None)
