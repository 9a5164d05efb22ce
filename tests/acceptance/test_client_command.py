"""`chatsite` in a terminal: asks, tells the wait, is interrupted, goes on, stops; and the module that others copy."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatsite.client.answer_stream import Answer, read_answer
from chatsite.client.site import Site as Api
from tests.acceptance.program_site import LEFT, LONG, STORY, TIMEOUT_S, TOKENS, WAITING, Site
from tests.acceptance.rig import BASE_DIR, until
from tests.simulator import corpus

pytestmark = pytest.mark.acceptance

CUTS = 100
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(site: Site, tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "XDG_CONFIG_HOME": str(tmp_path), "CHATSITE_URL": site.demo.origin, "CHATSITE_KEY": site.key}


@pytest.fixture
def chatsite(environment: dict[str, str]) -> Run:
    def run(*words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in {**environment, **more}.items() if value}
        return subprocess.run(
            [sys.executable, "-m", "chatsite.client", *words], cwd=BASE_DIR, env=env, input=stdin,
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    return run


def begun(environment: dict[str, str], *words: str, stdin: str = "") -> subprocess.Popen[str]:
    """The same while it runs; Ctrl-C reaches it even if the tests themselves ignore it."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "chatsite.client", *words], cwd=BASE_DIR, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    process.stdin = None  # so that `communicate` lets it be
    return process


def frames(run: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_login_keeps_a_good_key_and_refuses_a_bad_one(site: Site, chatsite: Run) -> None:
    bad = chatsite("login", stdin="sk-chat-wrong", CHATSITE_KEY="")
    assert (bad.returncode, "not valid" in bad.stderr) == (1, True)
    assert chatsite("conversations", CHATSITE_KEY="").returncode == 1
    good = chatsite("login", "--site", site.demo.origin, stdin=f"{site.key}\n", CHATSITE_KEY="", CHATSITE_URL="")
    assert (good.returncode, site.key in good.stdout + good.stderr) == (0, False)
    listed = chatsite("conversations", CHATSITE_KEY="", CHATSITE_URL="")
    assert "Ann and Bob" in listed.stdout
    assert "demo" in chatsite("models", CHATSITE_KEY="", CHATSITE_URL="").stdout


def test_a_question_is_answered_and_a_wait_is_told(site: Site, chatsite: Run, environment: dict[str, str]) -> None:
    model, expected = WAITING["command"], "".join(corpus.tokens(TOKENS, 5, False))
    first = frames(chatsite("send", "--json", "-m", model, "Go", "on"))
    # Whoever comes after the first text gets that as a snapshot.
    texts = [frame["text"] for frame in first if frame["type"] in ("stream.delta", "stream.snapshot")]
    assert "".join(texts) == expected
    assert (first[0]["type"], first[-1]["type"]) == ("sent", "stream.completed")
    words = ["send", "-m", model, "-c", first[0]["conversation"]]
    told = threading.Event()
    with site.occupied(model, told), begun(environment, *words, stdin="Go on") as second:
        assert second.stdout is not None
        assert second.stderr is not None
        is_told = any(re.search(r"\d(st|nd|rd|th) in line", line) for line in second.stderr)
        told.set()
        text = second.stdout.read()
    assert (second.returncode, text) == (0, f"{expected}\n")
    assert is_told
    assert site.waited_s(model) > 0.2


def test_after_ctrl_c_the_answer_is_read_on_with_the_command_that_was_named(
    site: Site, chatsite: Run, environment: dict[str, str]
) -> None:
    with begun(environment, "send", "-m", LEFT, "Tell a story") as asking:
        assert asking.stdout is not None
        assert asking.stderr is not None
        start = asking.stdout.read(20)
        asking.send_signal(signal.SIGINT)
        rest, told = asking.stdout.read(), asking.stderr.read()
    assert asking.returncode == 130
    named = re.search(r"chatsite (watch (\S+) --after \S+)", told)
    assert named is not None, told
    assert f"chatsite stop {named[2]}" in told
    site.simulator.pace(LEFT, 0)
    later = chatsite(*named[1].split())
    assert later.returncode == 0, later.stderr
    assert start + rest + later.stdout == site.demo.row_text(named[2]) + "\n"


def test_a_stopped_answer_is_told_as_such_and_a_question_behind_it_gets_its_turn(
    site: Site, chatsite: Run, environment: dict[str, str]
) -> None:
    conversation = Api(site.demo.origin, site.key).post("/conversations")["id"]
    stream = chatsite("send", "-m", LONG, "-c", conversation, "--no-watch", "Go on").stdout.strip()
    with begun(environment, "send", "-c", conversation, "-m", "demo", "Hello") as next:
        until(
            lambda: len(Api(site.demo.origin, site.key).get(f"/conversations/{conversation}/messages")["items"]) == 3,
            "it",
        )
        assert chatsite("stop", stream).returncode == 0
        seen = chatsite("watch", stream)
        text, told = next.communicate(timeout=TIMEOUT_S)
    assert (seen.returncode, "stopped" in seen.stderr) == (3, True)
    assert seen.stdout == site.demo.row_text(stream) + "\n"
    assert (next.returncode, len(text) > 5, "before it" in told) == (0, True, True)
    assert chatsite("stop", stream).stdout == "stopped\n"


@pytest.mark.parametrize("words", [("watch", "7c9e6679-7425-40de-944b-e07fc1f90ae7"), ("stop", "nothing")])
def test_what_is_not_there_is_said_in_a_sentence(chatsite: Run, words: tuple[str, ...]) -> None:
    run = chatsite(*words)
    assert (run.returncode, run.stdout) == (1, "")
    assert "Traceback" not in run.stderr
    assert run.stderr.strip().endswith(".")


class Cutting:
    """Opens connections of which the first hundred break after a few bytes, or before the end."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.cuts = 0
        self.resumed = 0

    def open(self, request: Any, timeout: float) -> Any:
        self.resumed += request.has_header("Last-event-id")
        response = urllib.request.urlopen(request, timeout=timeout)
        return _Cut(self, response)


class _Cut:
    def __init__(self, cutting: Cutting, response: Any) -> None:
        self._cutting, self._response, self.status = cutting, response, response.status
        self._left = cutting.random.expovariate(1 / 400)

    def __enter__(self) -> _Cut:
        return self

    def __exit__(self, *error: object) -> None:
        self._response.close()

    def __iter__(self) -> Any:
        for line in self._response:
            self._left -= len(line)
            if self._cutting.cuts < CUTS and (self._left < 0 or b"stream.completed" in line):
                self._cutting.cuts += 1
                raise ConnectionResetError("cut by the test")
            yield line


def test_a_reader_that_is_cut_a_hundred_times_has_exactly_the_text_of_the_row(site: Site) -> None:
    seed = random.randrange(10**6)
    api, cutting, answer, positions = Api(site.demo.origin, site.key), Cutting(seed), Answer(), []
    stream = api.send(api.post("/conversations")["id"], "Go on", STORY)["stream_id"]
    for frame in read_answer(api.address, api.key, stream, answer, open=cutting.open, sleep=lambda seconds: None):
        if frame["type"] == "stream.delta":
            positions.append(frame["position"])
        if len(positions) == 2:  # now it has something to go on from
            site.simulator.pace(STORY, 150)
    print(f"seed {seed}: {cutting.cuts} cuts, {cutting.resumed} times resumed")
    assert cutting.cuts == CUTS
    assert cutting.resumed > CUTS / 2
    assert answer.text == site.demo.row_text(stream)
    assert answer.is_proven
    assert len(positions) == len(set(positions))
