"""OpenAI's own SDK and other people's clients of its API work unchanged, also while their question waits in a lane."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from typing import Any

import httpx2
import openai
import pytest

from tests.acceptance.openai_clients import CLIENTS, QUESTION
from tests.acceptance.program_site import BROKEN, LONG, TIMEOUT_S, TOKENS, TOO_LONG, WAITING, Site
from tests.acceptance.rig import until
from tests.simulator import corpus

pytestmark = pytest.mark.acceptance


def expected(model: str) -> str:
    return "".join(corpus.tokens(TOKENS, int(model.rpartition("=")[2]), False))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_gets_its_answer_streamed_and_whole_and_after_a_wait_in_the_lane(site: Site, name: str) -> None:
    model, ask = WAITING[name], CLIENTS[name]
    for is_streamed, waits in ((True, False), (False, True), (True, True)):
        with site.occupied(model) if waits else nullcontext():
            text = ask(site, model, is_streamed)
        assert text.strip() == expected(model).strip()
        assert not waits or site.waited_s(model) > 0.2


def test_who_reads_the_stream_itself_is_told_of_the_wait_and_each_line_is_one_that_sdks_bear(site: Site) -> None:
    """No ids, no event names, no lone `retry:` and no empty data: each of them ends OpenAI's SDK."""
    body = {"model": WAITING["raw"], "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    told = threading.Event()
    with (
        httpx2.Client(headers={"Authorization": f"Bearer {site.key}"}, timeout=TIMEOUT_S) as client,
        site.occupied(WAITING["raw"], told),
    ):
        lines = streamed(client, site, body, told)
    assert any(line.startswith(": queued") for line in lines)
    assert any(map(tells_the_wait, lines))
    assert {line.partition(":")[0] for line in lines} == {"", "data"}
    assert lines[-1] == "data: [DONE]"
    assert all(json.loads(line[6:])["choices"] for line in lines if line.startswith("data: ") and line != lines[-1])


def tells_the_wait(line: str) -> bool:
    return line.startswith(": queued waiting") and "position=1" in line and "eta=" in line


def streamed(client: httpx2.Client, site: Site, body: dict[str, Any], told: threading.Event) -> list[str]:
    lines = []
    with client.stream("POST", f"{site.base_url}/chat/completions", json=body) as response:
        assert response.status_code == 200
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["cache-control"].startswith("no-cache")
        for line in filter(None, response.iter_lines()):
            lines.append(line)
            if tells_the_wait(line):
                told.set()
    return lines


def test_the_sdk_lists_the_models_and_finds_one(site: Site) -> None:
    with site.openai() as client:
        assert {*WAITING.values(), "demo"} <= {model.id for model in client.models.list()}
        assert client.models.retrieve("demo").id == "demo"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-0")


USER = {"role": "user", "content": QUESTION}
REFUSED: dict[str, tuple[type[openai.APIStatusError], str | None, dict[str, Any]]] = {
    "an unknown model": (openai.NotFoundError, "model_not_found", {"model": "gpt-0"}),
    "no messages": (openai.BadRequestError, None, {"messages": []}),
    "an empty message": (openai.BadRequestError, None, {"messages": [{"role": "user", "content": " "}]}),
    "nothing to answer": (openai.BadRequestError, None, {"messages": [USER, {"role": "assistant", "content": "a"}]}),
    "a role that nobody has": (openai.BadRequestError, None, {"messages": [{"role": "wizard", "content": "a"}]}),
    "tools": (
        openai.BadRequestError,
        "unsupported_parameter",
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
    ),
    "two answers": (openai.BadRequestError, "unsupported_parameter", {"n": 2}),
    "a temperature beyond": (openai.BadRequestError, None, {"temperature": 5}),
    "an image": (
        openai.BadRequestError,
        "unsupported_content",
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org"}}]}
            ]
        },
    ),
    "ten megabytes": (
        openai.APIStatusError,
        "too_large",
        {"messages": [{"role": "user", "content": "x" * 10_000_000}]},
    ),
}


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("what", REFUSED)
def test_the_sdk_raises_its_own_error_for(site: Site, what: str, is_streamed: bool) -> None:
    kind, code, change = REFUSED[what]
    before = site.generations()
    with site.openai() as client, pytest.raises(kind) as refused:
        client.chat.completions.create(**{"model": "demo", "messages": [USER], "stream": is_streamed, **change})
    assert code in (None, refused.value.code)
    assert refused.value.body["message"]  # type: ignore[index]
    assert refused.value.request_id
    assert site.generations() == before


@pytest.mark.parametrize("what", ["wrong", "revoked"])
def test_a_key_that_is_wrong_or_revoked_is_an_authentication_error(site: Site, what: str) -> None:
    key = {"wrong": "sk-chat-wrong", "revoked": site.revoked_key}[what]
    with site.openai(api_key=key) as client, pytest.raises(openai.AuthenticationError) as refused:
        client.chat.completions.create(model="demo", messages=[USER])
    assert refused.value.code == "invalid_api_key"


def test_broken_json_is_a_bad_request_that_says_so(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.key}", "Content-Type": "application/json"}
    url, body = f"{site.base_url}/chat/completions", b'{"model": "demo", "mess'
    answer = httpx2.post(url, content=body, headers=headers, timeout=TIMEOUT_S)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_too_many_requests_are_a_rate_limit_error_that_says_when_to_come_back(site: Site) -> None:
    with site.openai(api_key=site.other_key) as client:
        headers = client.models.with_raw_response.list().headers
        assert int(headers["x-ratelimit-remaining-requests"]) < int(headers["x-ratelimit-limit-requests"])
        site.spend(site.other_key)
        with pytest.raises(openai.RateLimitError) as refused:
            client.models.list()
    assert refused.value.code == "rate_limited"
    assert int(refused.value.response.headers["Retry-After"]) >= 1
    assert "x-ratelimit-limit-requests" in refused.value.response.headers


def test_what_the_provider_refuses_reaches_the_sdk_as_its_own_error(site: Site) -> None:
    with site.openai() as client, pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=TOO_LONG, messages=[USER])
    assert refused.value.code == "context_length_exceeded"


def test_an_answer_that_breaks_off_in_the_middle_is_an_error_and_not_a_short_answer(site: Site) -> None:
    said: list[Any] = []
    with site.openai() as client, pytest.raises(openai.APIError) as broken:
        said.extend(client.chat.completions.create(model=BROKEN, messages=[USER], stream=True))
    assert len(said) > 1
    assert said[-1].choices[0].finish_reason is None
    assert broken.value.code


def test_an_answer_whose_reader_left_is_stopped_soon(site: Site) -> None:
    with site.openai() as client:
        stream = client.chat.completions.create(model=LONG, messages=[USER], stream=True)
        next(iter(stream))
        left = stream.response.headers["x-stream-id"]
        stream.close()
    until(lambda: site.status(left) == "stopped", "the stop")
    site.simulator.wait_closed(LONG)
