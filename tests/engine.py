"""What tests of the engine stand on: a model whose parts the test sends one by one, and a worker's engine around it.
Only the vendor is played: rows, log, layer, publisher and runner are the real ones."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone

from streaming import database, dispatcher, fanout, lanes, lifecycle, redis_client
from streaming.cancellation import cancel
from streaming.events import START, Delta, DurableEvent, Ended, Position, Started, UsageReported, decode
from streaming.filters import Chain, CleanText
from streaming.hooks import AfterEnd
from streaming.lane_values import Ticket
from streaming.lifecycle import Outcome
from streaming.models import Attempt, Generation
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import Finish, ModelEntry, Part, Text
from streaming.publisher import Publisher
from streaming.replay_log import LogEntry, ReplayLog
from streaming.runner import Runner
from streaming.states import TERMINAL, Status
from streaming.writer import StreamWriter
from tests.shown_blocks import assert_blocks_are_the_rows

WAIT_S = 30.0
LANE = "scripted"
SETTINGS: dict[str, Any] = {
    "prompt_builder": "tests.engine.build_prompt",
    "on_ended": "tests.engine.generation_ended",
    "models": ({"alias": "scripted", "label": "Scripted", "provider": "demo", "model": "scripted", "lane": LANE},),
    "checkpoint_s": 0.1,
    "stop_poll_s": 0.05,
    "retry_base_s": 0.01,
    "window_s": 0.005,
    "after_loss": "interrupt",  # the tests of continuing say otherwise
}

Change = Callable[..., None]

#: What the host was asked, in order.
ended: list[str] = []


def build_prompt(generation_id: str) -> Prompt:
    return Prompt(messages=(PromptMessage("user", f"Answer {generation_id}."),))


def generation_ended(generation_id: str) -> AfterEnd:
    ended.append(generation_id)
    return AfterEnd()


async def until(condition: Callable[[], Any] | Callable[[], Awaitable[Any]], within_s: float = WAIT_S) -> Any:
    """Wait for the condition; returns what it returned."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        met = condition()
        if asyncio.iscoroutine(met):
            met = await met
        if met:
            return met
        assert loop.time() < deadline, f"not within {within_s} s: {condition}"
        await asyncio.sleep(0.005)


class Call:
    """One request to the model. `closed` is set when its connection is let go, for whatever reason."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.closed = asyncio.Event()
        self.parts: asyncio.Queue[Part | Exception | None] = asyncio.Queue()

    def say(self, *texts: str) -> None:
        for text in texts:
            self.parts.put_nowait(Text(text))

    def send(self, part: Part) -> None:
        self.parts.put_nowait(part)

    def fail(self, error: Exception) -> None:
        self.parts.put_nowait(error)

    def finish(self, reason: str = "stop") -> None:
        self.parts.put_nowait(Finish(reason))
        self.parts.put_nowait(None)

    def break_off(self) -> None:
        """The stream just ends, without an end marker."""
        self.parts.put_nowait(None)


class ScriptedProvider:
    """Each request is answered by the next of `answers`, or else by the test, through its `Call`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[list[Part | Exception]] = []
        #: Whether its connections close only once `let_go` is set.
        self.holds_on = False
        self.let_go = asyncio.Event()

    async def stream(self, entry: ModelEntry, prompt: Prompt) -> AsyncGenerator[Part, None]:
        call = Call(prompt)
        self.calls.append(call)
        if self.answers:
            for planned in self.answers.pop(0):
                call.parts.put_nowait(planned)
            call.break_off()
        try:
            while (part := await call.parts.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            await self._hold_on()
            call.closed.set()

    async def _hold_on(self) -> None:
        """A connection that does not want to close, however often it is asked."""
        while self.holds_on and not self.let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.let_go.wait()

    async def aclose(self) -> None:
        pass

    async def call(self, number: int = 1) -> Call:
        """The request of this number, once it came."""
        await until(lambda: len(self.calls) >= number)
        return self.calls[number - 1]


class Broker:
    """Celery's part, in the test's own loop. Its worker gets what nobody fetches, as long as it takes anything."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.worker: Engine | None = None
        self.fetching: set[str] = set()
        self.box: dict[str, Ticket] = {}

    async def send(self, tickets: Sequence[Ticket]) -> None:
        is_here = asyncio.get_running_loop() is self.loop  # an administrator has a loop of his own
        for ticket in tickets:
            self._arrive(ticket) if is_here else self.loop.call_soon_threadsafe(self._arrive, ticket)

    def _arrive(self, ticket: Ticket) -> None:
        busy = self.worker is None or self.worker.runner.drain_at is not None
        if busy or ticket.generation_id in self.fetching:
            self.box[ticket.generation_id] = ticket
        elif self.worker is not None:
            self.worker.deliver(ticket)

    async def fetch(self, generation_id: str) -> Ticket:
        """The newest message of a generation; if there is none, its wake-up is sent."""
        if generation_id not in self.box:
            self.fetching.add(generation_id)
            await dispatcher.wake(generation_id)
            self.fetching.discard(generation_id)
        return self.box.pop(generation_id, Ticket(generation_id, 0, LANE))


async def open_lane(**limits: Any) -> None:
    """As the pacer's holder does it for a lane that Redis does not know."""
    store = lanes.store(LANE)
    chosen = replace(lanes.configured(LANE), **limits)
    assert await store.open("engine", chosen, idle_s=3600) == "OK"
    assert (await store.close("engine")).status == "OK"


async def hasten_lane() -> None:
    """The pacer's part, under hasty time: whenever the provider closed the lane, its time is over at once."""
    store = lanes.store(LANE)
    while True:
        await asyncio.sleep(0.01)
        seen = await store.snapshot(0)
        if seen.closed_until_ms:
            await store.set_clock(seen.closed_until_ms)
            await dispatcher.start((await store.drain()).admitted)


class Engine:
    """A worker process's publisher and runner, in the test's own loop."""

    def __init__(self, provider: ScriptedProvider, broker: Broker) -> None:
        self.provider = provider
        self.broker = broker
        self.publisher = Publisher()
        self.runner = Runner(self.publisher, "worker-under-test")
        self.log = ReplayLog(redis_client.get())
        self.tasks: list[asyncio.Task[None]] = []

    async def aclose(self) -> None:
        await self.aclose_workers()
        await close_clients()

    async def aclose_workers(self) -> None:
        """Its own tasks. Who may start because of their end gets no worker: it would outlive this."""
        if self.broker.worker is self:
            self.broker.worker = None
        while pending := [task for task in self.tasks if not task.done()]:
            await cancel(*pending)
        await self.runner.aclose()
        await self.publisher.aclose()

    def start(self, generation_id: str) -> asyncio.Task[None]:
        """Deliver the task of a generation, here."""
        return self._task(self._fetch(generation_id))

    def deliver(self, ticket: Ticket) -> asyncio.Task[None]:
        return self._task(self.runner.run(ticket))

    async def _fetch(self, generation_id: str) -> None:
        await self.runner.run(await self.broker.fetch(generation_id))

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def idle(self) -> None:
        """Until nothing runs here, and nothing rests before its next try."""
        async with asyncio.timeout(WAIT_S):
            while pending := [task for task in (*self.tasks, *self.runner._resting) if not task.done()]:
                await asyncio.wait(pending)

    async def run(self, *parts: Part | Exception, **fields: Any) -> str:
        """Ask, and let the model answer with `parts`; returns the generation when nothing runs any more."""
        self.provider.answers.append(list(parts))
        generation_id = await ask(**fields)
        self.start(generation_id)
        await self.idle()
        return generation_id

    async def begin(self) -> tuple[str, Call]:
        """Ask and start; returns once the model was asked."""
        number = len(self.provider.calls) + 1
        generation_id = await ask()
        self.start(generation_id)
        return generation_id, await self.provider.call(number)

    async def open_stream(self) -> StreamWriter:
        """A writer without a run: a claimed generation whose log has begun."""
        claim = await database.call(lifecycle.claim, await ask(), "worker-under-test")
        assert claim is not None
        writer = self.publisher.open(claim, Chain([CleanText()]))
        await self.publisher.begin(writer, claim.position)
        return writer

    async def say(self, writer: StreamWriter, *texts: str) -> None:
        """Text that is confirmed when this returns."""
        for text in texts:
            writer.feed(text)
            await self.publisher.drained(writer)

    async def finish(self, writer: StreamWriter, status: Status = Status.COMPLETED) -> Ended:
        """As a run does it: the last text, the row, the terminal event."""
        writer.end_of_text(flush_filters=status != Status.STOPPED)
        await self.publisher.drained(writer)
        await self.publisher.render_rest(writer)
        generation_id, attempt = writer.generation_id, writer.attempt
        await database.call(lifecycle.first_text, generation_id, attempt, timezone.now())
        writer.finishing = True
        blocks = writer.blocks.encoded_whole(writer.text)
        outcome = Outcome(status, writer.text, Position(attempt, writer.seq + 1), blocks=blocks)
        end = await database.call(lifecycle.finish, generation_id, attempt, outcome)
        assert end is not None
        await self.publisher.append(writer, "x", lambda position: end.event)
        return end.event

    async def entries(self, generation_id: str, after: Position = START) -> list[LogEntry]:
        return (await self.log.read_after(generation_id, after)).entries

    async def events(self, generation_id: str) -> list[DurableEvent]:
        return [event_of(entry) for entry in await self.entries(generation_id)]

    async def logged_text(self, generation_id: str) -> str:
        return fold(await self.entries(generation_id))

    async def sees(self, generation_id: str, text: str) -> None:
        """Wait until viewers can see exactly `text`."""

        async def visible() -> bool:
            return await self.logged_text(generation_id) == text

        await until(visible)

    async def ends(self, generation_id: str) -> Generation:
        """The row, once it is terminal and nothing runs any more."""

        async def terminal() -> Generation | None:
            generation = await row(generation_id)
            return generation if generation.status in TERMINAL else None

        await self.idle()
        ended: Generation = await until(terminal)
        await self.idle()
        return ended

    async def assert_replay_equals_text(self, generation_id: str) -> Generation:
        """The log folded, the row, and what any client ends with that was cut off at any position: all the same."""
        generation = await row(generation_id)
        entries = await self.entries(generation_id)
        assert_contiguous(entries)
        end = event_of(entries[-1])
        assert isinstance(end, Ended)
        assert end == lifecycle.ended_event(generation)
        assert fold(entries) == generation.text
        raw = generation.text.encode()
        assert (end.sha256, end.bytes) == (hashlib.sha256(raw).hexdigest(), len(raw))
        assert_blocks_are_the_rows(map(event_of, entries), generation.text, generation.blocks)
        for seen in range(len(entries) + 1):
            last = entries[seen - 1].position if seen else START
            missed = await self.entries(generation_id, last)
            assert fold(entries[:seen]) + fold(missed) == generation.text
        return generation


def usage_of(writer: StreamWriter) -> Callable[[Position], UsageReported]:
    return lambda position: UsageReported(
        generation=writer.generation_id, position=position, input_tokens=1, output_tokens=2, cached_tokens=0
    )


def event_of(entry: LogEntry) -> DurableEvent:
    event = decode(entry.frame)
    assert isinstance(event, DurableEvent)
    assert event.position == entry.position
    return event


def fold(entries: list[LogEntry]) -> str:
    return "".join(event.text for event in map(event_of, entries) if isinstance(event, Delta))


def assert_contiguous(entries: list[LogEntry], last: Position = START) -> None:
    """Each event follows the one before it; only a start leads from one attempt to the next."""
    for event in map(event_of, entries):
        if isinstance(event, Started):
            assert (event.position.seq, event.follows) == (1, last)
        else:
            assert event.position == (last.attempt, last.seq + 1)
        last = event.position


async def ask(**fields: Any) -> str:
    """A QUEUED row, as `services.request_generation` would make it."""
    return await database.call(create_row, **fields)


def create_row(**fields: Any) -> str:
    user, _ = get_user_model().objects.get_or_create(username="ann")
    now = timezone.now()
    defaults = {"model": "scripted", "lane": LANE, "wake_at": now, "deadline_at": now + timedelta(minutes=15)}
    return str(Generation.objects.create(user=user, **(defaults | fields)).pk)


async def row(generation_id: str) -> Generation:
    return await database.call(Generation.objects.get, pk=generation_id)


async def change_row(generation_id: str, **values: Any) -> None:
    """What another process did to the row."""
    rows: models.QuerySet[Generation] = Generation.objects.filter(pk=generation_id)
    await database.call(rows.update, **values)


async def has_status(generation_id: str, status: Status) -> Generation:
    """Wait for a status; returns the row."""

    async def reached() -> Generation | None:
        generation = await row(generation_id)
        return generation if generation.status == status else None

    found: Generation = await until(reached)
    return found


async def attempts(generation_id: str) -> list[Attempt]:
    return await database.call(lambda: list(Attempt.objects.filter(generation_id=generation_id).order_by("number")))


async def close_clients() -> None:
    """All that the running loop opened."""
    await fanout.layer().flush()
    await redis_client.aclose()
    database.shutdown()
