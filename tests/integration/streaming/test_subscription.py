"""Delivery end to end inside one process: row, log, layer, hub, feed, socket. Every story ends with the row's text."""

from __future__ import annotations

import pytest

from streaming import conf, database, fanout, feed_watch, lifecycle
from streaming.errors import Refused
from streaming.events import START, Position, encode
from streaming.states import Status
from tests.integration.streaming.delivery import Author, Client, Shown, author, reads

__all__ = ["author", "reads"]
pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_viewer_from_the_start_sees_every_event_as_it_comes(author: Author, reads: list[Position]) -> None:
    client = Client()
    await client.watch(author)
    assert client.opened == (None, True, "queued")
    await author.begin()
    for word in ("One ", "two ", "three."):
        await author.say(word)
        await client.until_text(author.text)
    await author.end()
    await client.until_end()
    assert client.shown.applied.count("stream.delta") == 3
    assert client.shown.epoch == author.epoch
    assert len(reads) == 1, "the first event names the epoch; no read is needed for that"
    assert len(client.subscriptions) == 0
    await client.leave()


async def test_a_late_viewer_gets_the_checkpoint_and_the_rest_as_one_delta(author: Author) -> None:
    await author.begin()
    for number in range(50):
        await author.say(f"{number} ")
    await author.checkpoint()
    for number in range(50, 300):
        await author.say(f"{number} ")
    client = Client()
    await client.watch(author)
    await client.until_text(author.text)
    assert client.shown.applied == ["stream.snapshot", "stream.delta"]
    assert client.opened == (author.epoch, True, "streaming")
    await author.say("live")
    await author.end()
    await client.until_end()
    await client.leave()


async def test_before_the_first_checkpoint_the_log_alone_serves(author: Author) -> None:
    await author.begin()
    for word in "abcdef":
        await author.say(word)
    client = Client()
    await client.watch(author)
    await client.until_text("abcdef")
    assert client.shown.applied[-2:] == ["stream.started", "stream.delta"]
    await client.leave()


@pytest.mark.parametrize("delivered", [True, False])
async def test_whoever_leaves_anywhere_resumes_exactly_there(author: Author, delivered: bool) -> None:
    """At every position, with and without a checkpoint in between, before and after the event was delivered."""
    other = Client()
    await other.watch(author)
    await author.begin()
    for number in range(20):
        client = Client()
        await client.watch(author)
        await client.until(lambda shown: shown.position == author.last)
        if not delivered:
            shown = await client.leave()
        await author.say(f"{number} ")
        if delivered:
            await client.until_text(author.text)
            shown = await client.leave()
        if number % 7 == 3:
            await author.checkpoint()
        await author.say("while away ")
        await author.say("twice ")
        back = Client(shown=shown)
        shown.applied.clear()
        await back.rewatch(author)
        assert back.opened == (author.epoch, True, "streaming" if number >= 3 else "admitted")
        await back.until_text(author.text)
        assert back.shown.applied == ["stream.delta"]
        await back.leave()
    await author.end()
    await other.until_end()
    await other.leave()


async def test_reconnecting_without_traffic_replays_nothing(author: Author) -> None:
    await author.begin()
    await author.say("text")
    client = Client()
    await client.watch(author)
    await client.until_text("text")
    shown = await client.leave()
    for _ in range(5):
        shown.applied.clear()
        client = Client(shown=shown)
        await client.rewatch(author)
        assert client.opened == (author.epoch, True, "admitted")
        await client.leave()
        assert shown.applied == []


async def test_an_attempt_that_takes_over_continues_the_positions(author: Author) -> None:
    client = Client()
    await client.watch(author)
    await author.begin()
    await author.say("first ")
    await client.until_text("first ")
    away = Client(shown=await client.leave())
    await author.say("half, ")
    await author.begin()
    await author.say("second half.")
    await away.rewatch(author)
    await author.end()
    await away.until_end()
    assert away.opened == (author.epoch, True, "admitted")
    assert "stream.snapshot" not in away.shown.applied[3:]
    await away.leave()


@pytest.mark.parametrize(
    ("after", "epoch"),
    [
        (Position(1, 3), "other"),
        (Position(1, 99), None),
        (Position(7, 1), None),
        (Position(0, 5), None),
        (Position(2**40, 2**40), None),
    ],
)
async def test_what_cannot_be_proven_starts_over_and_says_so(
    author: Author, after: Position, epoch: str | None
) -> None:
    await author.begin()
    for word in ("a", "b", "c"):
        await author.say(word)
    await author.checkpoint()
    client = Client()
    await client.watch(author, after, epoch or author.epoch)
    assert client.opened == (author.epoch, False, "streaming")
    await client.until_text("abc")
    assert client.shown.recovered == [False, False]
    await author.say("d")
    await author.end()
    await client.until_end()
    await client.leave()


async def test_a_finished_stream_without_log_is_served_from_its_row(author: Author) -> None:
    await author.begin()
    await author.say("all of it")
    await author.end()
    await author.lose_the_log()
    client = Client()
    await client.watch(author)
    await client.until_end()
    assert client.shown.text == "all of it"
    assert client.opened == (None, True, "completed")
    assert client.shown.applied == ["stream.snapshot", "stream.completed"]
    assert len(client.subscriptions) == 0
    await client.leave()


async def test_whoever_lacks_only_the_end_of_a_finished_stream_gets_only_that(author: Author) -> None:
    await author.begin()
    await author.say("all of it")
    client = Client()
    await client.watch(author)
    await client.until_text("all of it")
    shown = await client.leave()
    await author.end()
    await author.lose_the_log()
    shown.applied.clear()
    back = Client(shown=shown)
    await back.rewatch(author)
    await back.until_end()
    assert shown.applied == ["stream.completed"]
    assert back.opened is not None
    assert back.opened.recovered
    await back.leave()


async def test_whoever_has_the_end_already_gets_nothing(author: Author) -> None:
    await author.begin()
    await author.say("text")
    client = Client()
    await client.watch(author)
    await author.end()
    await client.until_end()
    shown = await client.leave()
    shown.applied.clear()
    back = Client(shown=shown)
    await back.rewatch(author)
    assert len(back.subscriptions) == 0
    await back.leave()
    assert shown.applied == []


async def test_a_waiting_stream_says_that_it_waits(author: Author) -> None:
    client = Client()
    await client.watch(author)
    await client.until(lambda shown: bool(shown.queued))
    assert client.shown.queued[0]["reason"] == "starting"
    await client.leave()


async def test_a_stream_that_ends_in_the_queue_ends_for_those_who_wait(author: Author) -> None:
    client = Client()
    await client.watch(author)
    end = await database.call(lifecycle.end_queued, author.generation, Status.STOPPED)
    assert end is not None
    await fanout.announce(fanout.stream_group(author.generation), end.event.position, encode(end.event))
    await client.until_end()
    late = Client()
    await late.watch(author)
    await late.until_end()
    for one in (client, late):
        await one.leave()


async def test_an_unknown_stream_is_refused(author: Author) -> None:
    client = Client()
    with pytest.raises(Refused) as refusal:
        await client.watch(Author("00000000-0000-4000-8000-000000000000"))
    assert refusal.value.code == "not_found"
    assert len(client.subscriptions) == 0
    await client.leave()


async def test_a_large_text_arrives_in_parts_cut_between_code_points(author: Author) -> None:
    await author.begin()
    author.text = "añ€😀" * 30_000
    author.seq += 1
    author.last = Position(1, author.seq)
    await author.set_row(text=author.text)
    await author.end_row()
    client = Client()
    await client.watch(author)
    await client.until_end()
    assert client.shown.text == author.text
    assert client.shown.applied.count("stream.snapshot") >= 9
    await client.leave()


async def test_resuming_from_the_start_replays_the_whole_log(author: Author) -> None:
    await author.begin()
    for number in range(2500):
        author.text += f"{number} "
    # Several pages of the log, written in one go.
    text, author.text = author.text, ""
    for start in range(0, len(text), 8):
        await author.say(text[start : start + 8])
    client = Client(shown=Shown(position=START, epoch=author.epoch))
    await client.watch(author, START, author.epoch)
    await client.until_text(text)
    assert "stream.snapshot" not in client.shown.applied
    await client.leave()


async def test_feeds_are_given_up_with_their_last_viewer(author: Author) -> None:
    client = Client()
    await client.watch(author)
    feeds = feed_watch.get()
    assert list(feeds._feeds) == [author.generation]
    await client.leave()
    assert feeds._feeds == {}
    assert conf.get().group_linger_s > 0
