import json

import aiohttp
import anthropic
import httpx2
import openai
import pytest

from streaming.conf import StreamingSettings
from streaming.providers.transport import POOL_TIMEOUT_S, READ_MARGIN_S, http_client, timeouts, unreadable

REQUEST = httpx2.Request("POST", "http://127.0.0.1/")
CLIENTS = (openai.DefaultAioHttpClient, anthropic.DefaultAioHttpClient)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (httpx2.ConnectTimeout("", request=REQUEST), "connect_timeout"),
        (httpx2.PoolTimeout("", request=REQUEST), "connect_timeout"),
        (httpx2.ReadTimeout("", request=REQUEST), "provider_timeout"),
        (httpx2.WriteTimeout("", request=REQUEST), "provider_timeout"),
        (httpx2.ConnectError("", request=REQUEST), "provider_unavailable"),
        (httpx2.ReadError("", request=REQUEST), "connection_lost"),
        (httpx2.WriteError("", request=REQUEST), "connection_lost"),
        (httpx2.RemoteProtocolError("", request=REQUEST), "connection_lost"),
        (httpx2.StreamClosed(), "connection_lost"),
        (httpx2.ProxyError("", request=REQUEST), "connection_lost"),
        (httpx2.DecodingError("", request=REQUEST), "provider_garbled"),
        (httpx2.UnsupportedProtocol("", request=REQUEST), "bad_address"),
        (httpx2.InvalidURL(""), "bad_address"),
        (json.JSONDecodeError("", "", 0), "provider_garbled"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, ""), "provider_garbled"),
        (AttributeError(), "provider_garbled"),
        (KeyError("type"), "provider_garbled"),
        (None, "provider_garbled"),
    ],
)
def test_every_failure_of_the_connection_has_a_code(error: Exception | None, code: str) -> None:
    assert unreadable(error).code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (aiohttp.ConnectionTimeoutError(), "connect_timeout"),
        (aiohttp.SocketTimeoutError(), "provider_timeout"),
        (aiohttp.ServerDisconnectedError(), "connection_lost"),
        (aiohttp.ClientOSError(104, "reset"), "connection_lost"),
        (aiohttp.ClientPayloadError(), "connection_lost"),
        (aiohttp.InvalidURL("a"), "bad_address"),
        (aiohttp.NonHttpUrlClientError("a"), "bad_address"),
    ],
)
def test_the_failure_underneath_counts_whatever_the_sdk_s_client_makes_of_it(error: Exception, code: str) -> None:
    named = httpx2.ConnectTimeout("", request=REQUEST)
    named.__cause__ = error
    assert unreadable(named).code == code


@pytest.mark.parametrize("make", CLIENTS)
async def test_a_redirect_is_never_followed_because_it_would_take_the_prompt_along(
    make: type[httpx2.AsyncClient],
) -> None:
    async with http_client(StreamingSettings(), make) as client:
        assert client.follow_redirects is False


async def test_the_pool_has_room_for_all_streams_of_the_process() -> None:
    seen = []

    class Limits(httpx2.Limits):
        def __init__(self, **limits: float) -> None:
            seen.append(limits)
            super().__init__(**limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx2, "Limits", Limits)
        async with http_client(StreamingSettings(worker_streams_max=321), CLIENTS[0]):
            assert seen[0]["max_connections"] == 321


def test_the_runner_gives_up_before_the_socket_does() -> None:
    settings = StreamingSettings(connect_timeout_s=3.0, first_text_timeout_s=10.0, between_text_timeout_s=40.0)
    assert timeouts(settings).connect == 3.0
    assert timeouts(settings).read == 40.0 + READ_MARGIN_S
    assert timeouts(settings).pool == 3.0 + POOL_TIMEOUT_S  # which holds for all of connecting
