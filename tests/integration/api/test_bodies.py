"""A stranger's body without a declared length: bounded before anybody asks whose it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.api.program import Program

LARGE = 3_000_000


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(LARGE // 100_000):
        yield b"x" * 100_000


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/conversations", "/accounts/login/"])
async def test_a_body_of_unknown_length_is_refused_before_its_key(program: Program, path: str) -> None:
    response = await program.http.post(path, content=_pieces(), headers={"Authorization": "Bearer nobody's"})
    assert response.status_code == 413
    assert response.headers["connection"] == "close"
    if path.startswith("/v1/"):
        assert response.json()["error"]["code"] == "too_large"
    elif path.startswith("/api/"):
        assert response.json()["code"] == "too_large"
