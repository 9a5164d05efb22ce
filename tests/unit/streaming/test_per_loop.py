from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from streaming.per_loop import PerLoop


class Thing:
    """Like most of what is kept per loop it refers to its loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()


@pytest.fixture
def things() -> PerLoop[Thing]:
    return PerLoop(Thing)


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    made = [asyncio.new_event_loop() for _ in range(3)]
    yield made
    for loop in made:
        loop.close()


def run(loop: asyncio.AbstractEventLoop, things: PerLoop[Thing]) -> Thing:
    async def look() -> Thing:
        return things.get()

    return loop.run_until_complete(look())


def test_each_loop_has_its_own(things: PerLoop[Thing], loops: list[asyncio.AbstractEventLoop]) -> None:
    found = [run(loop, things) for loop in loops]
    assert [thing.loop for thing in found] == loops
    assert [run(loop, things) for loop in loops] == found


def test_two_kinds_do_not_share(loops: list[asyncio.AbstractEventLoop]) -> None:
    assert run(loops[0], PerLoop(Thing)) is not run(loops[0], PerLoop(Thing))


def test_outside_of_a_loop_there_is_none(things: PerLoop[Thing]) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        things.get()


async def test_what_is_popped_is_made_anew(things: PerLoop[Thing]) -> None:
    assert things.pop() is None
    first = things.get()
    assert things.pop() is first
    assert things.pop() is None
    assert things.get() is not first


def test_that_of_a_closed_loop_goes_when_another_is_made(
    things: PerLoop[Thing], loops: list[asyncio.AbstractEventLoop]
) -> None:
    closed, going_on, new = loops
    for loop in (closed, going_on):
        run(loop, things)
    closed.close()
    run(new, things)
    assert list(things._made) == [going_on, new]


def test_a_closed_loop_and_its_own_can_be_collected(things: PerLoop[Thing]) -> None:
    async def look() -> tuple[weakref.ref[Thing], weakref.ref[asyncio.AbstractEventLoop]]:
        return weakref.ref(things.get()), weakref.ref(asyncio.get_running_loop())

    former = asyncio.run(look())
    latter = asyncio.run(look())
    gc.collect()
    assert [seen() for seen in former] == [None, None]
    assert None not in [seen() for seen in latter], "the last one stays until there is another"


def test_one_that_cannot_be_made_is_tried_again(loops: list[asyncio.AbstractEventLoop]) -> None:
    outcomes = iter([ValueError("not yet"), None])

    def make() -> Thing:
        if outcome := next(outcomes):
            raise outcome
        return Thing()

    things = PerLoop(make)
    with pytest.raises(ValueError, match="not yet"):
        run(loops[0], things)
    assert run(loops[0], things).loop is loops[0]
