"""Blocks on their way from a worker to readers: in the log after their text, in the row, and across every loss."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from redis.asyncio import Redis

from streaming import database, lifecycle, markdown_html, publisher, rendering, services
from streaming.answer_blocks import answer_html, decode
from streaming.events import START, BlockRendered, Position, Started
from streaming.markdown import BlockRenderer
from streaming.providers.base import Finish, Text
from streaming.states import Status
from tests.engine import Change, Engine, event_of, has_status, row, until
from tests.shown_blocks import ShownBlocks

ANSWER = "# Title\n\nSome **text** and\nmore.\n\n- one\n- two\n\n```python\nx = 1\n```\n\nSee [it].\n\n[it]: https://example.org/\n"


def texts(answer: str, size: int = 3) -> list[Text]:
    return [Text(answer[at : at + size]) for at in range(0, len(answer), size)]


async def blocks_of(engine: Engine, generation_id: str) -> list[BlockRendered]:
    return [event for event in await engine.events(generation_id) if isinstance(event, BlockRendered)]


async def test_blocks_stand_in_the_log_behind_their_text_and_in_the_row(engine: Engine) -> None:
    generation_id = await engine.run(*texts(ANSWER), Finish())
    stored = await engine.assert_replay_equals_text(generation_id)
    html = answer_html(stored.text, stored.blocks)
    assert html is not None
    assert html.startswith('<h3 data-level="1">Title</h3>\n<p>Some <strong>text</strong> and<br>\nmore.</p>\n<ul>')
    assert '<span class="m">1' in html
    assert 'href="https://example.org/"' in html


async def test_a_running_answer_has_its_finished_blocks_in_the_row(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("# One\n\nfirst\n\nsecond ")

    async def saved() -> list[Any]:
        return decode((await row(generation_id)).blocks)

    blocks = await until(saved)
    assert blocks[0].html == '<h3 data-level="1">One</h3>\n'
    stored = await row(generation_id)
    assert sum(block.lines for block in blocks) <= stored.text.count("\n")
    call.finish()
    await engine.ends(generation_id)
    await engine.assert_replay_equals_text(generation_id)


async def test_long_code_is_rendered_where_no_other_stream_waits_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on, threads = threading.Event(), set[int]()
    whole = BlockRenderer.render

    def slow(self: BlockRenderer) -> Any:
        if self._size > 100:
            threads.add(threading.get_ident())
            assert may_go_on.wait(20)
        return whole(self)

    monkeypatch.setattr(BlockRenderer, "render", slow)
    long, call = await engine.begin()
    call.say("```python\n")
    await engine.sees(long, "```python\n")
    call.say("x = 1\n" * 400, "```\n")
    await until(lambda: threads)
    quick, other = await engine.begin()
    other.say("# quick\n\ndone\n")
    other.finish()
    await has_status(quick, Status.COMPLETED)
    call.say("more text is not held up either")
    await engine.sees(long, "```python\n" + "x = 1\n" * 400 + "```\nmore text is not held up either")
    may_go_on.set()
    call.finish()
    await engine.ends(long)
    assert threading.get_ident() not in threads
    for generation_id in (long, quick):
        await engine.assert_replay_equals_text(generation_id)


async def test_an_answer_that_cannot_be_rendered_ends_all_the_same(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(markdown_html, "parse_blocks", broken)
    with caplog.at_level(logging.CRITICAL):
        generation_id = await engine.run(*texts(ANSWER), Finish())
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text, stored.blocks) == (Status.COMPLETED, ANSWER, "")
    assert await blocks_of(engine, generation_id) == []


async def test_an_end_does_not_wait_for_ever_for_its_blocks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "RENDER_WAIT_S", 0.05)

    async def never(self: rendering.Rendering) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(rendering.Rendering, "finish", never)
    generation_id = await engine.run(*texts(ANSWER), Finish())
    stored = await engine.ends(generation_id)
    assert (stored.status, stored.text, stored.blocks) == (Status.COMPLETED, ANSWER, "")


@pytest.mark.parametrize("cut", [9, 20, 31, 45, 60, 75])
async def test_the_next_attempt_goes_on_in_the_middle_of_a_block(engine: Engine, change: Change, cut: int) -> None:
    change(after_loss="continue")
    generation_id, call = await engine.begin()
    call.say(*(text.text for text in texts(ANSWER[:cut])))
    await engine.sees(generation_id, ANSWER[:cut])
    call.break_off()
    again = await engine.provider.call(2)
    again.say(*(text.text for text in texts(ANSWER[cut:])))
    again.finish()
    stored = await engine.ends(generation_id)
    assert stored.text == ANSWER
    await engine.assert_replay_equals_text(generation_id)


async def test_a_worker_that_dies_after_its_last_block_leaves_nothing_wrong(engine: Engine, change: Change) -> None:
    """The last block stands for a line that the next attempt goes on with."""
    change(after_loss="continue")
    writer = await engine.open_stream()
    await engine.say(writer, "# One\n\nhalf a", " sentence")
    await engine.publisher.render_rest(writer)
    assert [block.index for block in await blocks_of(engine, writer.generation_id)] == [0, 1]
    engine.publisher.close(writer)
    await has_status(writer.generation_id, Status.ADMITTED)
    assert await database.call(lifecycle.reap, "worker-under-test") == [writer.generation_id]
    engine.start(writer.generation_id)
    call = await engine.provider.call()
    call.say(" and the rest of it\n\nend\n")
    call.finish()
    stored = await engine.ends(writer.generation_id)
    assert stored.text == "# One\n\nhalf a sentence and the rest of it\n\nend\n"
    await engine.assert_replay_equals_text(writer.generation_id)


async def test_a_loss_of_redis_keeps_blocks_and_text_together(engine: Engine, direct: Redis) -> None:
    writer = await engine.open_stream()
    for at in range(0, len(ANSWER), 10):
        if at in (30, 60, 100):
            await direct.flushall()
        await engine.say(writer, ANSWER[at : at + 10])
        stored = await row(writer.generation_id)
        ShownBlocks(stored.text, decode(stored.blocks))
    await engine.finish(writer)
    stored = await row(writer.generation_id)
    assert stored.text == ANSWER
    assert ShownBlocks(stored.text, decode(stored.blocks)).is_document


async def test_a_checkpoint_and_the_log_after_it_are_what_others_show(engine: Engine) -> None:
    """At any moment: the row's text and blocks, and what the log has beyond them."""
    generation_id, call = await engine.begin()
    for piece in texts(ANSWER, 12):
        call.say(piece.text)
        await asyncio.sleep(0.02)  # a checkpoint now and then
        stored, entries = await row(generation_id), await engine.entries(generation_id)
        position = Position(stored.position_attempt, stored.position_seq)
        late, early = ShownBlocks(stored.text, decode(stored.blocks)), ShownBlocks()
        for entry in entries:
            early.apply(event_of(entry))
            if entry.position > position:
                late.apply(event_of(entry))
        assert (late.text, late.html) == (early.text, early.html)
    call.finish()
    await engine.ends(generation_id)
    await engine.assert_replay_equals_text(generation_id)


async def test_a_stopped_answer_has_blocks_too(engine: Engine) -> None:
    generation_id, call = await engine.begin()
    call.say("# One\n\nhalf")
    await engine.sees(generation_id, "# One\n\nhalf")
    await services.request_stop(generation_id)
    stored = await engine.ends(generation_id)
    assert stored.status == Status.STOPPED
    await engine.assert_replay_equals_text(generation_id)
    first = (await engine.entries(generation_id, START))[0]
    assert isinstance(event_of(first), Started)
