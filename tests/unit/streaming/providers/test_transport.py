import json

import httpx2
import pytest

from streaming.conf import StreamingSettings
from streaming.providers.transport import READ_MARGIN_S, http_client, timeouts, unreadable

REQUEST = httpx2.Request("POST", "http://127.0.0.1/")


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


async def test_a_redirect_is_never_followed_because_it_would_take_the_prompt_along() -> None:
    async with http_client(StreamingSettings()) as client:
        assert client.follow_redirects is False


async def test_the_pool_has_room_for_all_streams_of_the_process() -> None:
    seen = []

    class Limits(httpx2.Limits):
        def __init__(self, **limits: float) -> None:
            seen.append(limits)
            super().__init__(**limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx2, "Limits", Limits)
        async with http_client(StreamingSettings(worker_streams_max=321)):
            assert seen[0]["max_connections"] == 321


def test_the_runner_gives_up_before_the_socket_does() -> None:
    settings = StreamingSettings(connect_timeout_s=3.0, first_text_timeout_s=10.0, between_text_timeout_s=40.0)
    assert timeouts(settings).connect == 3.0
    assert timeouts(settings).read == 40.0 + READ_MARGIN_S
