"""RELIABILITY H1-H8 on a real server: an error frame or a close code, the process alive, never a 1011."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from chat import consumers
from streaming import database
from tests.acceptance.chat_client import ChatClient
from tests.integration.chat.factories import make_conversation, make_person, send
from tests.integration.chat.live_server import LiveServer, cookie_of

KEY = "3f2b8c1e-0000-4000-8000-00000000000a"


def frame(**fields: Any) -> str:
    return json.dumps({"type": "generation.stop", "id": 1, "generation": KEY} | fields)


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "not json": ("hello", "bad_json"),
    "empty": ("", "bad_json"),
    "an array": ("[]", "bad_json"),
    "deep arrays": ("[" * 60_000, "too_deep"),
    "deep objects": ('{"a":' * 12_000, "too_deep"),
    "an endless integer": ('{"type":"ack","n":' + "9" * 5000 + "}", "bad_json"),
    "not a number": ('{"type":"ack","n":NaN}', "bad_json"),
    "infinity": ('{"type":"ack","n":1e999}', "bad_json"),
    "a key twice": ('{"type":"pong","type":"ack"}', "bad_json"),
    "true as a number": ('{"type":"ack","n":true}', "bad_field"),
    "true as an id": (frame(id=True), "bad_field"),
    "an ack of the future": ('{"type":"ack","n":999999}', "bad_field"),
    "half a character": (frame(type="typing.start", generation=None, conversation="\ud800"), "bad_field"),
    "half a character in a text": (
        json.dumps({"type": "message.send", "id": 1, "conversation": KEY, "client_message_id": "x", "text": "\udc00"}),
        "invalid_text",
    ),
    "nul in a text": (
        json.dumps({"type": "message.send", "id": 1, "conversation": KEY, "client_message_id": "x", "text": "a\0b"}),
        "invalid_text",
    ),
    "binary": (b"\x00\x01", "bad_frame"),
    "binary that would be json": (b'{"type":"pong"}', "bad_frame"),
    "a type of the server's own": (frame(type="websocket.disconnect"), "unknown_command"),
    "a private type": (frame(type="_private"), "unknown_command"),
    "a type of the layer": (frame(type="stream.event"), "unknown_command"),
    "a key of the layer": (frame(__asgi_channel__="x"), "bad_field"),
    "a path as an id": (frame(generation="../../etc/passwd"), "bad_field"),
    "an id in capitals": (frame(generation=KEY.upper()), "bad_field"),
    "a prefixed id": (frame(generation=f"note:{KEY}"), "bad_field"),
    "an unknown id": (frame(), "not_found"),
    "a missing field": ('{"type":"generation.stop","id":1}', "missing_field"),
    "a huge message id": (
        json.dumps({"type": "message.edit", "id": 1, "message": 2**53 - 1, "text": "x"}),
        "not_found",
    ),
    "a position of floats": (frame(type="stream.subscribe", after=1.5), "bad_field"),
    "a negative position": (frame(type="stream.subscribe", after="-1"), "bad_field"),
}


async def watch(server: LiveServer) -> ChatClient:
    def make() -> str:
        ann = make_person()
        make_conversation(ann)
        return cookie_of(ann)

    client = server.client(await database.call(make))
    await client.connect()
    return client


@pytest.mark.parametrize(("data", "code"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_frame_gets_an_error_frame_and_the_socket_lives_on(
    server: LiveServer, caplog: pytest.LogCaptureFixture, data: str | bytes, code: str
) -> None:
    caplog.set_level(logging.INFO)
    client = await watch(server)
    client.heal = False
    await client.send_raw(data)
    await client.send_raw('{"type":"conversation.unsubscribe","id":"still here","conversation":"' + KEY + '"}')
    await client.until(lambda: client.frames[-1].get("id") == "still here", "the answer to the next command")
    error = next(frame for frame in client.frames if frame["type"] == "error")
    assert error["code"] == code
    assert error["message"]
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    await client.close()
    assert client.close_code == 1000


async def test_three_bad_frames_within_a_minute_end_the_connection(server: LiveServer) -> None:
    client = await watch(server)
    for _ in range(3):
        await client.send_raw("nonsense")
    assert await client.closed() == 4505
    assert [frame["type"] for frame in client.frames] == ["hello", "error", "error", "error"]


async def test_mistakes_that_happen_to_people_do_not(server: LiveServer) -> None:
    client = await watch(server)
    for _ in range(5):
        await client.send_raw(frame(type="from.the.future"))
    await client.until(lambda: len(client.frames) == 6)
    assert client.close_code is None
    await client.close()


@pytest.mark.parametrize("size", [65_537, 1_048_576])
async def test_a_frame_that_is_too_large_ends_the_connection_in_the_server_already(
    server: LiveServer, size: int
) -> None:
    client = await watch(server)
    await client.send_raw("[" * size)
    assert await client.closed() == 1009


async def test_a_flood_of_nonsense_ends_the_connection(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "COMMANDS_PER_S", 1e-6)  # else what is sent slowly is no flood
    client = await watch(server)
    for number in range(consumers.COMMANDS_BURST + 5):
        await client.send_raw(frame(type="from.the.future", id=number))
    assert await client.closed() == 4429


@pytest.mark.parametrize("after", [f"1-{2**63}", "99-99", "0-1", "1-999999999999999", f"{'9' * 4000}-1"])
@pytest.mark.parametrize("epoch", ["other", "e" * 64])
async def test_a_position_that_cannot_be_is_answered_with_what_there_is(
    server: LiveServer, after: str, epoch: str
) -> None:
    def make() -> tuple[str, str]:
        ann = make_person()
        return cookie_of(ann), str(send(ann, make_conversation(ann)).generation)

    cookie, generation = await database.call(make)
    async with server.client(cookie) as client:
        answer = await client.command("stream.subscribe", generation=generation, after=after, epoch=epoch)
        assert (answer["recovered"], answer["status"]) == (False, "queued")
