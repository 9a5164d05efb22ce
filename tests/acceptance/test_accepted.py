"""Accepted means stored: everything dies at once, and Redis forgets everything."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid

import pytest

from tests.acceptance.chat_client import ChatClient
from tests.acceptance.rig import Demo, is_alive, until

pytestmark = pytest.mark.acceptance


def kill_everything(demo: Demo) -> None:
    pids = demo.pids()
    for name in sorted(pids, key=lambda name: name != "supervisor"):  # first of all who would start others again
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[name], signal.SIGKILL)
    until(lambda: not any(map(is_alive, pids.values())), "the end of all processes")
    for file in (demo.data / "valkey").rglob("appendonly*"):
        if file.is_file():
            file.unlink()


async def test_what_was_accepted_survives_the_death_of_all_processes_and_of_redis_memory() -> None:
    with Demo(env={"DEMO_TOKENS_PER_SECOND": "50"}) as demo:
        conversation, cookie, ids = demo.shared_conversation(), demo.login("ann"), [uuid.uuid4().hex for _ in range(2)]

        def come() -> ChatClient:
            return ChatClient(demo.socket_url, cookie=cookie, origin=demo.origin)

        def answers() -> list[tuple[str, str]]:
            query = "SELECT status, text FROM streaming_generation"
            return [(row["status"], row["text"]) for row in demo.rows(query)]

        async def send(number: int) -> dict[str, object]:
            return await ann.command(
                "message.send", conversation=conversation, client_message_id=ids[number], text="tell me a story"
            )

        async with come() as ann:
            accepted = [await send(0), await send(1)]  # the second waits for the first one's end
            kill_everything(demo)
        demo.start().wait_ready()
        until(lambda: [status for status, _ in answers()] == ["completed"] * 2, "both answers", 250)
        async with come() as ann:
            again = [await send(0), await send(1)]
        assert [frame["message"] for frame in again] == [frame["message"] for frame in accepted]
        assert again[0]["generation"] == accepted[0]["generation"]
        assert len(answers()) == 2
        assert all(text for _, text in answers())
