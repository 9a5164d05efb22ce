"""Through a real nginx nothing is held back, with its buffering and compression on; and ours finds every web process.

The provider sends a token that says when, and no second one: whoever waits for more than the first is seen.
"""

from __future__ import annotations

import asyncio
import http.client
import http.server
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect

from chatsite.client.site import Site as Api
from tests.acceptance.chat_client import ChatClient
from tests.acceptance.program_site import HELD, TIMEOUT_S, Site
from tests.acceptance.rig import until
from tests.free_port import free_port
from tests.name_server import NameServer
from tests.nginx import Nginx, our_server

pytestmark = pytest.mark.acceptance

STAMP = re.compile(r"@(\d{19});")
#: What the first token may take: the promise where the machine is ours. Where it is not, it is enough that it comes.
PROMISED_S = 0.1 if os.environ.get("CHATSITE_FULL") == "1" else TIMEOUT_S
#: What is held back is watched for so long.
HELD_BACK_S = 3.0
#: A site behind nginx that was set up without a thought for streams, but for the two lines without which there is no
#: WebSocket at all; and one that does not listen to our headers, to see that they are what keeps text from waiting.
CARELESS = """
server {{
    listen 127.0.0.1:{listen};
    location / {{ proxy_pass http://127.0.0.1:{web}; proxy_set_header Host $http_host; }}
    location /deaf/ {{
        proxy_pass http://127.0.0.1:{web}/; proxy_set_header Host $http_host; proxy_ignore_headers X-Accel-Buffering;
    }}
    location /ws/ {{
        proxy_pass http://127.0.0.1:{web}; proxy_set_header Host $http_host; proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }}
}}
"""


class Front:
    """The demo of the other tests, behind nginx twice."""

    def __init__(self, site: Site, ports: dict[str, int]) -> None:
        self.site, self.ports, self.cookie = site, ports, site.demo.login("ann")
        self.api = Api(site.demo.origin, site.key)

    def socket(self, server: str) -> ChatClient:
        url = f"ws://127.0.0.1:{self.ports[server]}/ws/v1/"
        return ChatClient(url, cookie=self.cookie, origin=self.site.demo.origin)

    def ask(self) -> str:
        """The stream of a new question."""
        conversation = self.api.post("/conversations")["id"]
        return str(self.api.send(conversation, "Go on", HELD)["stream_id"])

    def late_text(self, server: str, path: str, accept: str, body: object = None) -> float:
        """By how much the first text of a response came after it was sent; compression is asked for."""
        headers = {"Authorization": f"Bearer {self.site.key}", "Accept": accept, "Accept-Encoding": "gzip, deflate"}
        url = f"http://127.0.0.1:{self.ports[server]}{path}"
        method = "GET" if body is None else "POST"
        with httpx2.stream(method, url, json=body, headers=headers, timeout=TIMEOUT_S) as response:
            assert response.status_code == 200
            assert accept in response.headers["content-type"]
            for line in response.iter_lines():
                if (stamp := STAMP.search(line)) is not None:
                    return time.time() - int(stamp[1]) / 1e9
        raise AssertionError("no text")


@pytest.fixture(scope="module")
def front(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    web, ports = int(site.demo.origin.rpartition(":")[2]), {"ours": free_port(), "careless": free_port()}
    servers = our_server(ports["ours"], web=web) + CARELESS.format(listen=ports["careless"], web=web)
    with Nginx(tmp_path_factory.mktemp("nginx"), servers, ports["ours"]):
        yield Front(site, ports)


@pytest.mark.parametrize("server", ["ours", "careless"])
async def test_the_first_text_comes_through_the_websocket_before_the_second_is_sent(front: Front, server: str) -> None:
    async with front.socket(server) as ann:
        generation = await asyncio.to_thread(front.ask)
        await ann.subscribe(generation)
        await ann.until(lambda: bool(ann.view(generation).text), "text")
        stamp = STAMP.search(ann.view(generation).text)
        assert stamp is not None
        check(f"WebSocket through {server}", time.time() - int(stamp[1]) / 1e9)
        await ann.command("generation.stop", generation=generation)


@pytest.mark.parametrize("server", ["ours", "careless"])
@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_the_first_text_comes_through_http_before_the_second_is_sent(front: Front, server: str, accept: str) -> None:
    stream = front.ask()
    check(f"{accept} through {server}", front.late_text(server, f"/api/v1/streams/{stream}/events", accept))
    front.api.post(f"/streams/{stream}/stop")


QUESTION = {"model": HELD, "messages": [{"role": "user", "content": "Go on"}], "stream": True}


@pytest.mark.parametrize("server", ["ours", "careless"])
@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/v1/chat/completions", "text/event-stream"),
        ("/v1/chat/stream", "text/event-stream"),
        ("/v1/chat/stream/json", "application/x-ndjson"),
    ],
)
def test_the_first_text_of_a_program_s_question_comes_before_the_second_is_sent(
    front: Front, server: str, path: str, accept: str
) -> None:
    check(f"{path} through {server}", front.late_text(server, path, accept, QUESTION))


def test_the_first_text_comes_through_the_socket_of_programs_before_the_second_is_sent(front: Front) -> None:
    url = f"ws://127.0.0.1:{front.ports['ours']}/v1/chat/ws"
    headers = {"Authorization": f"Bearer {front.site.key}"}
    with connect(url, additional_headers=headers, proxy=None, open_timeout=TIMEOUT_S) as socket:
        socket.send(json.dumps({"model": HELD, "messages": QUESTION["messages"]}))
        while (stamp := STAMP.search(str(socket.recv(TIMEOUT_S)))) is None:
            pass
        check("/v1/chat/ws through ours", time.time() - int(stamp[1]) / 1e9)


def test_what_does_not_listen_to_our_headers_holds_text_back(front: Front) -> None:
    """So that the tests above are known to see it: only the end of the answer brings the text."""
    asked, simulator = len(front.site.simulator.exchanges(HELD)), front.site.simulator
    with ThreadPoolExecutor(1) as pool:
        path = "/deaf/v1/chat/completions"
        late_s = pool.submit(front.late_text, "careless", path, "text/event-stream", QUESTION)
        try:
            until(lambda: [sent for sent in simulator.exchanges(HELD)[asked:] if sent["tokens"]], "the first token")
            time.sleep(HELD_BACK_S)
        finally:
            simulator.pace(HELD, 0)
            simulator.pace(HELD, None)
        assert late_s.result() >= HELD_BACK_S


def check(what: str, seconds: float) -> None:
    print(f"{what}: {seconds * 1000:.0f} ms")
    assert seconds <= PROMISED_S


class _Tag(http.server.BaseHTTPRequestHandler):
    """Says which address answered, and what it was told about who asks."""

    def do_GET(self) -> None:
        words = (self.server.server_address[0], self.headers["X-Forwarded-For"], self.headers["X-Forwarded-Proto"])
        body = " ".join(str(word) for word in words).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def webs() -> Iterator[int]:
    """Two web processes of different addresses and the same port."""
    with ExitStack() as stack:
        port = 0
        for address in ("127.0.0.1", "127.0.0.2"):
            server = stack.enter_context(http.server.ThreadingHTTPServer((address, port), _Tag))
            port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            stack.callback(thread.join, 60)
            stack.callback(server.shutdown)
        yield port


def ask(port: int, path: str = "/", **headers: str) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    words = connection.getresponse().read().decode().split()
    connection.close()
    return words


def test_web_processes_that_came_later_are_found_and_those_that_left_are_not_asked(tmp_path: Path, webs: int) -> None:
    listen = free_port()
    with NameServer("127.0.0.1") as names, Nginx(tmp_path, our_server(listen, resolver=names.port, web=webs), listen):
        until(lambda: {ask(listen)[0] for _ in range(5)} == {"127.0.0.1"}, "the first web process")
        names.addresses = ("127.0.0.1", "127.0.0.2")
        until(lambda: ask(listen)[0] == "127.0.0.2", "the second web process")
        names.addresses = ("127.0.0.2",)
        until(lambda: {ask(listen)[0] for _ in range(20)} == {"127.0.0.2"}, "the end of the first web process")


def test_the_site_is_told_who_asks_and_whether_by_tls(tmp_path: Path, webs: int) -> None:
    listen = free_port()
    with Nginx(tmp_path, our_server(listen, web=webs), listen):
        assert ask(listen)[1:] == ["127.0.0.1", "http"]
        # Before nginx stands what ends TLS, and before that somebody who pretends to be somebody else.
        assert ask(listen, X_Forwarded_For="198.51.100.1, 203.0.113.9, 10.0.0.7", X_Forwarded_Proto="https")[1:] == [
            "203.0.113.9",
            "https",
        ]


def test_metrics_are_not_shown_outside(tmp_path: Path, webs: int) -> None:
    listen = free_port()
    with Nginx(tmp_path, our_server(listen, web=webs), listen):
        assert "<center><h1>404" in ask(listen, "/metrics", X_Forwarded_For="127.0.0.1")


async def test_a_site_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    listen = free_port()
    with Nginx(tmp_path, our_server(listen, web=free_port()), listen):
        connection = http.client.HTTPConnection("127.0.0.1", listen, timeout=TIMEOUT_S)
        started = time.monotonic()
        await asyncio.to_thread(connection.request, "GET", "/")
        assert connection.getresponse().status == http.client.BAD_GATEWAY
        connection.close()
        assert time.monotonic() - started < 55  # nginx itself waits for a minute
