"""The HTTP under every SDK: one client per connection, its deadlines, and what its own failures mean.

Both SDKs default to ten minutes per read, two hidden retries and following redirects (which would post the whole prompt
to another host). None of that is wanted: the runner's watchdogs are the deadlines, and retrying is the runner's.
"""

from __future__ import annotations

import logging

import httpx2

from streaming.conf import StreamingSettings
from streaming.errors import ProviderError
from streaming.providers.network import read_plainly
from streaming.providers.refusals import refusal

# At INFO it has a line for every request, which says less than our own.
logging.getLogger("httpx2").setLevel(logging.WARNING)

#: The runner gives up first and says why; this one only frees a socket that nobody watches.
READ_MARGIN_S = 5.0
WRITE_TIMEOUT_S = 10.0
#: The pool is as large as the process's capacity: nobody should ever wait for it.
POOL_TIMEOUT_S = 5.0
#: A warm connection saves a handshake on the next answer's first token.
KEEPALIVE_S = 60.0


def timeouts(settings: StreamingSettings) -> httpx2.Timeout:
    read = max(settings.first_text_timeout_s, settings.between_text_timeout_s) + READ_MARGIN_S
    return httpx2.Timeout(connect=settings.connect_timeout_s, read=read, write=WRITE_TIMEOUT_S, pool=POOL_TIMEOUT_S)


def http_client(settings: StreamingSettings) -> httpx2.AsyncClient:
    # The library's default of 100 connections would queue the 101st stream without a word.
    limits = httpx2.Limits(
        max_connections=settings.worker_streams_max,
        max_keepalive_connections=settings.worker_streams_max,
        keepalive_expiry=KEEPALIVE_S,
    )
    # A compressing proxy would hold words back until it has a block full.
    headers = {"accept-encoding": "identity"}
    client = httpx2.AsyncClient(headers=headers, limits=limits, timeout=timeouts(settings), follow_redirects=False)
    return read_plainly(client)


def unreadable(error: BaseException | None) -> ProviderError:
    """Our error for what is nobody's refusal: a failed connection, bad JSON, bad UTF-8, objects of an unknown shape."""
    match error:
        case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return refusal("connect_timeout")
        case httpx2.TimeoutException():
            return refusal("provider_timeout")
        case httpx2.ConnectError():
            return refusal("provider_unavailable")
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return refusal("bad_address")
        case httpx2.DecodingError():
            return refusal("provider_garbled")
        case httpx2.HTTPError() | httpx2.StreamError():
            return refusal("connection_lost")
    return refusal("provider_garbled")
