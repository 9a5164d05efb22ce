"""Faults of ours in the middle of it: told, never silence."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from chat.api import chat_stream
from streaming import database
from streaming.providers.base import Finish, Text, Usage
from tests.engine import ScriptedProvider
from tests.integration.api.program import HELLO, Program
from tests.integration.api.test_chat_stream import ASKED, over_socket


async def test_halves_of_characters_in_what_is_ignored_do_no_harm(program: Program, provider: ScriptedProvider) -> None:
    provider.answers.append([Text("Good day."), Usage(3, 4, 1), Finish("stop")])
    content = (
        rb'{"model":"scripted","user":"\ud800","messages":'
        rb'[{"role":"user","content":[{"type":"text","text":"Hi","x":{"\ud800":1}}]}]}'
    )
    response = await program.http.post("/v1/chat/completions", content=content)
    assert (response.status_code, response.json()["choices"][0]["message"]["content"]) == (200, "Good day.")


@pytest.mark.parametrize(("error", "code"), [(OperationalError("away"), "unavailable"), (KeyError("x"), "internal")])
async def test_a_socket_is_told_of_a_fault(
    program: Program, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    async def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(chat_stream, "ask_and_open", broken)
    events, closed = await over_socket(program, ASKED, additional_headers=program.headers)
    assert [(event["type"], event["code"]) for event in events] == [("error", code)]
    assert closed == 4400


async def test_an_answer_ends_although_the_database_went_away(
    program: Program, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of it last is only how many tokens came from a cache."""
    provider.answers.append([Text("Good day."), Usage(3, 4, 1), Finish("stop")])
    call = database.call

    async def away(function: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(function, "__name__", "") == "first":
            raise OperationalError("away")
        return await call(function, *args, **kwargs)

    monkeypatch.setattr("chat.api.completions.database.call", away)
    answer = await program.sdk.chat.completions.create(model="scripted", messages=HELLO)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == "Good day."
