from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from streaming.errors import ProviderError, ProviderGarbled, ProviderIncomplete
from streaming.providers import event_stream
from streaming.providers.base import Finish, Part, Text, Usage
from streaming.providers.event_stream import read_parts
from streaming.providers.transport import unreadable


class LetterReader:
    """A vendor whose events are {"text": ...} and {"end": true}."""

    def __init__(self) -> None:
        self.complete = False
        self.reason = "stop"
        self.read_after_end = 0

    def read(self, event: dict[str, Any]) -> Part | None:
        self.read_after_end += self.complete
        self.complete = self.complete or bool(event.get("end"))
        return event_stream.text(event["text"]) if "text" in event else None

    def usage(self) -> Usage | None:
        return None


def translate(error: Exception) -> ProviderError:
    return error if isinstance(error, ProviderError) else unreadable(error)


class Body(httpx2.AsyncByteStream):
    def __init__(self, *chunks: bytes, then: Callable[[], None] | None = None) -> None:
        self.chunks, self.then, self.closed = chunks, then, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.then:
            self.then()

    async def aclose(self) -> None:
        self.closed = True


async def parts_of(body: Body, content_type: str = "text/event-stream") -> list[Part]:
    async def send() -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": content_type}, stream=body)

    return [part async for part in read_parts(send, LetterReader(), translate)]


async def test_parts_come_in_order_and_the_end_comes_last() -> None:
    parts = await parts_of(Body(b'data: {"text": "a"}\n\ndata: {"text": "b"}\n\n', b'data: {"end": true}\n\n'))
    assert parts == [Text("a"), Text("b"), Finish("stop")]


@pytest.mark.parametrize(
    "oddity",
    [b": ping\n\n", b"id: 1\n: comment\n\n", b"retry: 3000\n\n", b"data:\n\n", b"data: \n\n", b"data: [DONE]\n\n"],
)
async def test_harmless_oddities_are_passed_over(oddity: bytes) -> None:
    body = Body(oddity, b'data: {"text": "a"}\n\n', oddity, b'data: {"end": true}\n\n', oddity)
    assert await parts_of(body) == [Text("a"), Finish("stop")]


async def test_a_body_that_just_ends_is_incomplete() -> None:
    with pytest.raises(ProviderIncomplete):
        await parts_of(Body(b'data: {"text": "a"}\n\ndata: [DONE]\n\n'))


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json", "application/xhtml+xml"])
async def test_a_page_is_no_stream(content_type: str) -> None:
    body = Body(b'data: {"end": true}\n\n')
    with pytest.raises(ProviderGarbled) as caught:
        await parts_of(body, content_type)
    assert caught.value.code == "not_a_stream"
    assert body.closed


async def test_a_sloppy_content_type_passes() -> None:
    assert await parts_of(Body(b'data: {"end": true}\n\n'), "text/plain") == [Finish("stop")]


@pytest.mark.parametrize("data", [b"{", b"[1]", b"null", b'"text"', b'{"text": 1}', b'{"text": "\xff"}', b"NaN"])
async def test_what_cannot_be_read_is_garbled(data: bytes) -> None:
    body = Body(b"data: " + data + b"\n\n")
    with pytest.raises(ProviderGarbled):
        await parts_of(body)
    assert body.closed


async def test_nothing_after_the_end_marker_can_fail_the_answer() -> None:
    def explode() -> None:
        raise httpx2.ReadError("reset")

    assert await parts_of(Body(b'data: {"end": true}\n\n', b"data: {\n\n", then=explode)) == [Finish("stop")]


async def test_a_failure_before_the_answer_is_translated() -> None:
    async def send() -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    with pytest.raises(ProviderError) as caught:
        await anext(read_parts(send, LetterReader(), translate))
    assert caught.value.code == "provider_unavailable"


async def test_closing_the_iterator_closes_the_response() -> None:
    body = Body(b'data: {"text": "a"}\n\n', b'data: {"end": true}\n\n')

    async def send() -> httpx2.Response:
        return httpx2.Response(200, stream=body)

    parts = read_parts(send, LetterReader(), translate)
    assert await anext(parts) == Text("a")
    await parts.aclose()
    assert body.closed
