"""A reader of events is cut a hundred times, and a web process ends below it; it misses and repeats nothing."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import signal
from collections.abc import Iterator

import pytest

from tests.acceptance.event_reader import TIMEOUT_S, EventReader, Mark
from tests.acceptance.rig import Demo

pytestmark = pytest.mark.acceptance
CUTS = 100


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Demo(web=2, workers=1, env={"DEMO_TOKENS_PER_SECOND": "200", "API_REQUESTS_PER_MINUTE": "100000"}) as running:
        yield running


def ask(demo: Demo, token: str) -> dict[str, str]:
    """A new conversation's first question: what its 202 says."""
    connection = http.client.HTTPConnection(demo.origin.removeprefix("http://"), timeout=TIMEOUT_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/api/v1/conversations", "{}", headers)
        made = json.load(connection.getresponse())
        body = json.dumps({"text": "A long answer with unicode, markdown and code, please."})
        connection.request("POST", f"/api/v1/conversations/{made['id']}/messages", body, headers)
        answer = connection.getresponse()
        assert answer.status == 202
        sent: dict[str, str] = json.load(answer)
        return sent
    finally:
        connection.close()


def test_a_reader_that_is_cut_a_hundred_times_ends_with_exactly_the_rows_text(demo: Demo) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    token = demo.manage("api_key", "create", "ann")
    sent = ask(demo, token)
    reader = EventReader(demo.origin.removeprefix("http://"), token, sent["events_url"])
    for cut in range(CUTS):
        if reader.end is not None:  # it was faster than we cut: the same again, from anywhere
            reader.go_back(dice.choice([Mark("", ""), *reader.marks[:-1]]))
        reader.read(dice.randrange(1, 1500))
        if cut == CUTS // 4:
            name = demo.busiest_web()
            ended = demo.signal(name, signal.SIGTERM)
    while reader.end is None:
        reader.read(10_000_000)
    text = demo.row_text(sent["stream_id"])
    assert reader.at.text == text
    raw = text.encode()
    assert (reader.end["sha256"], reader.end["bytes"]) == (hashlib.sha256(raw).hexdigest(), len(raw))
    assert len(raw) > 2_000

    # What has ended is told to nobody twice.
    demo.wait_restarted(name, ended)  # until then it might be the one that is asked, and say no more than that it ends
    connection = http.client.HTTPConnection(reader.host, timeout=TIMEOUT_S)
    connection.request("GET", reader.path, headers={**reader.headers, "Last-Event-ID": reader.at.id})
    assert connection.getresponse().status == 204
    connection.close()
