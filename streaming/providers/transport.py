"""The HTTP under every SDK: one client per connection, its deadlines, and what its own failures mean.

Both SDKs default to ten minutes per read, two hidden retries and following redirects (which would post the whole prompt
to another host). None of that is wanted: the runner's watchdogs are the deadlines, and retrying is the runner's.

The clients are those of the SDKs' over aiohttp, whose parser is in C. Measured against httpx2's own network: 44 µs
instead of 65 for each token that is read, and 0.4 ms less until the first one.
"""

from __future__ import annotations

import logging

import aiohttp
import httpx2

from streaming.conf import StreamingSettings
from streaming.errors import ProviderError
from streaming.providers.refusals import refusal

# At INFO it has a line for every request, which says less than our own.
logging.getLogger("httpx2").setLevel(logging.WARNING)

#: The runner gives up first and says why; this one only frees a socket that nobody watches.
READ_MARGIN_S = 5.0
#: The pool is as large as the process's capacity: nobody should ever wait for it. Connecting counts as a part of that.
POOL_TIMEOUT_S = 5.0
#: A warm connection saves a handshake on the next answer's first token.
KEEPALIVE_S = 60.0


def timeouts(settings: StreamingSettings) -> httpx2.Timeout:
    read = max(settings.first_text_timeout_s, settings.between_text_timeout_s) + READ_MARGIN_S
    connect = settings.connect_timeout_s
    return httpx2.Timeout(connect=connect, read=read, write=None, pool=connect + POOL_TIMEOUT_S)


def http_client(settings: StreamingSettings, make: type[httpx2.AsyncClient]) -> httpx2.AsyncClient:
    """`make`: the `DefaultAioHttpClient` of the vendor's SDK."""
    # The library's default of 100 connections would queue the 101st stream without a word.
    limits = httpx2.Limits(
        max_connections=settings.worker_streams_max,
        max_keepalive_connections=settings.worker_streams_max,
        keepalive_expiry=KEEPALIVE_S,
    )
    # A compressing proxy would hold words back until it has a block full.
    headers = {"accept-encoding": "identity"}
    return make(headers=headers, limits=limits, timeout=timeouts(settings), follow_redirects=False)


def unreadable(error: BaseException | None) -> ProviderError:
    """Our error for what is nobody's refusal: a failed connection, bad JSON, bad UTF-8, objects of an unknown shape."""
    return refusal(_code(error))


def _code(error: BaseException | None) -> str:
    # aiohttp's own word counts, where there is one: the SDKs' clients call most of its failures "connect timeout".
    cause = error.__cause__ if error is not None else None
    match cause if isinstance(cause, aiohttp.ClientError) else error:
        case aiohttp.ConnectionTimeoutError() | httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return "connect_timeout"
        case aiohttp.ServerTimeoutError() | httpx2.TimeoutException():
            return "provider_timeout"
        case aiohttp.ClientConnectorError() | httpx2.ConnectError():
            return "provider_unavailable"
        case (
            aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | httpx2.UnsupportedProtocol() | httpx2.InvalidURL()
        ):
            return "bad_address"
        case aiohttp.ClientResponseError() | httpx2.DecodingError():
            return "provider_garbled"
        case aiohttp.ClientError() | httpx2.HTTPError() | httpx2.StreamError():
            return "connection_lost"
    return "provider_garbled"
