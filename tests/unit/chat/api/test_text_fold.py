from __future__ import annotations

import hashlib
from typing import Any

import pytest

from chat.api.text_fold import TextFold, TextLost
from streaming.events import Completed, Delta, Position, Snapshot

AT = Position(1, 2)


def delta(text: str) -> Delta:
    return Delta(generation="g", position=AT, text=text)


def snapshot(text: str, *, part: int = 0, last: bool = True) -> Snapshot:
    fields: dict[str, Any] = {"epoch": "e", "recovered": False, "status": "streaming", "model": "m"}
    return Snapshot(generation="g", position=AT, part=part, last=last, text=text, **fields)


def end(text: str) -> Completed:
    return Completed(generation="g", position=AT, bytes=0, sha256=hashlib.sha256(text.encode()).hexdigest())


def feed(fold: TextFold, *events: Any) -> str:
    return "".join(fold.feed(event) for event in events)


def test_deltas_are_new_text() -> None:
    assert feed(TextFold(), delta("Good "), delta("day"), end("Good day")) == "Good day"


def test_a_snapshot_in_parts_gives_only_what_is_new_of_it() -> None:
    fold = TextFold()
    assert feed(fold, delta("Good ")) == "Good "
    assert feed(fold, snapshot("Go", last=False), snapshot("od day", part=1)) == "day"
    assert feed(fold, delta("."), end("Good day.")) == "."


def test_text_that_comes_again_is_not_given_twice() -> None:
    """The newest checkpoint was older than what was given away; the worker says the rest of it again."""
    fold = TextFold()
    feed(fold, delta("Good day"))
    assert feed(fold, snapshot("Go"), delta("od "), delta("day, all")) == ", all"
    assert feed(fold, end("Good day, all")) == ""


@pytest.mark.parametrize("again", [[snapshot("Bad day, all")], [snapshot("Go"), delta("ne with the wind")]])
def test_other_text_than_was_given_away_is_an_error(again: list[Any]) -> None:
    fold = TextFold()
    feed(fold, delta("Good day"))
    with pytest.raises(TextLost):
        feed(fold, *again)


def test_an_end_with_another_checksum_is_an_error() -> None:
    with pytest.raises(TextLost):
        feed(TextFold(), delta("Good"), end("Good day"))
