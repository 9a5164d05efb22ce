"""What the commands do. Answers go to standard output, everything else to standard error."""

from __future__ import annotations

import json
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import Any, Final

from chatsite.client import credentials
from chatsite.client.answer_stream import Answer, StreamError, read_answer
from chatsite.client.credentials import Known
from chatsite.client.site import Site, SiteError
from chatsite.client.wait_line import WaitLine

OK, FAILED, NOT_COMPLETED, INTERRUPTED = 0, 1, 3, 130
PENDING_S: Final = 1.0


def login(options: Namespace) -> int:
    address = credentials.address(options.site)
    key = options.key or (getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    Site(address, key).get("/conversations?limit=1", tries=1)
    _say(f"The key is good. It is kept in {credentials.store(Known(address, key))}")
    return OK


def logout(options: Namespace) -> int:
    credentials.forget()
    return OK


def models(options: Namespace) -> int:
    for model in _site(options).get("/models")["items"]:
        why_not = f"  ({model['unavailable']})" if model["unavailable"] else ""
        _print_item(options, model, f"{model['id']}{why_not}")
    return OK


def conversations(options: Namespace) -> int:
    for item in _site(options).pages("/conversations"):
        _print_item(options, item, f"{item['id']}  {item['changed_at'][:16].replace('T', ' ')}  {item['title']}")
    return OK


def send(options: Namespace) -> int:
    site = _site(options)
    text = " ".join(options.text) or sys.stdin.read()
    conversation = options.conversation or site.post("/conversations")["id"]
    sent = site.send(conversation, text, options.model)
    if options.json:
        _print_json({"type": "sent", "conversation": conversation, **sent})
    else:
        _say(f"conversation {conversation}")
    if options.no_watch:
        if not options.json:
            print(sent["stream_id"] or "")
        return OK
    stream = sent["stream_id"] or _wait_for_turn(site, conversation, sent["message_id"], sent["message_url"])
    return _watch(site, stream, Answer(), options.json) if stream else OK


def watch(options: Namespace) -> int:
    site = _site(options)
    site.get(f"/streams/{options.stream}")  # reading is patient with a lost line, also with one that never was
    return _watch(site, options.stream, Answer(cursor=options.after), options.json)


def stop(options: Namespace) -> int:
    found = _site(options).post(f"/streams/{options.stream}/stop")
    _print_item(options, found, found["status"])
    return OK


def _wait_for_turn(site: Site, conversation: str, message: int, url: str) -> str | None:
    """The stream of a question that waits behind a running answer; None if it was withdrawn or needs no answer."""
    line = WaitLine()
    line.tell({"reason": "waiting", "message": "waits until the answer before it has ended"})
    try:
        while True:
            for item in site.get(f"/conversations/{conversation}/messages?limit=100")["items"]:
                if item["parent"] == message and item["generation"] is not None:
                    return str(item["generation"]["id"])
            if site.get(url.removeprefix("/api/v1"))["state"] != "pending":
                return None
            time.sleep(PENDING_S)
    finally:
        line.close()


def _watch(site: Site, stream: str, answer: Answer, as_json: bool) -> int:
    line, printed, cursor = WaitLine(), "", answer.cursor
    try:
        for frame in read_answer(site.address, site.key, stream, answer):
            with _unbroken():  # the cursor that is named says exactly what was printed
                line.tell(answer.waiting)
                if as_json:
                    _print_json(frame | ({"cursor": answer.cursor} if "position" in frame else {}))
                else:
                    print(_new_text(frame, answer, printed), end="", flush=True)
                printed, cursor = answer.text, answer.cursor
    except KeyboardInterrupt:
        line.close()
        _say(_how_to_go_on(stream, cursor))
        return INTERRUPTED
    finally:
        line.close()
    return _told_end(answer, as_json)


def _new_text(frame: dict[str, Any], answer: Answer, printed: str) -> str:
    """A snapshot replaces what was printed; if it does not go on from there, it begins on a line of its own."""
    if frame["type"] == "stream.delta":
        return str(frame["text"])
    if frame["type"] != "stream.snapshot" or not frame["last"]:
        return ""
    goes_on = answer.text.startswith(printed)
    return answer.text[len(printed) :] if goes_on else f"\n[again, from the beginning]\n{answer.text}"


@contextmanager
def _unbroken() -> Iterator[None]:
    """Ctrl-C waits until the block is done."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _how_to_go_on(stream: str, cursor: str | None) -> str:
    after = f" --after {cursor}" if cursor else ""
    return (
        f"\nThe answer goes on without you.\n  read on:  chatsite watch {stream}{after}\n"
        f"  stop it:  chatsite stop {stream}"
    )


def _told_end(answer: Answer, as_json: bool) -> int:
    if not as_json:
        print()
    if answer.end is None or answer.status == "completed":
        return OK
    _say(f"{answer.status}: {answer.end['message']}" if answer.end["message"] else answer.status)
    return NOT_COMPLETED


def _site(options: Namespace) -> Site:
    return credentials.site(options.site)


def _print_item(options: Namespace, item: Any, words: str) -> None:
    if options.json:
        _print_json(item)
    else:
        print(words)


def _print_json(item: Any) -> None:
    print(json.dumps(item, ensure_ascii=False), flush=True)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def run(options: Namespace) -> int:
    """A command's exit code: 0 done, 1 refused, 3 the answer has another end than its own, 130 Ctrl-C."""
    try:
        return int(options.command(options))
    except (SiteError, StreamError) as error:
        _say(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough
        sys.stderr.close()
        return OK
