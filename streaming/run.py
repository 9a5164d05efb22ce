"""One claimed attempt from the provider to the end of its row (FEATURES B7-B10).

The provider is read in a task of its own, so that a stop, a watchdog or a drain can cut the reading (which closes the
connection to the vendor) and still end the generation properly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from functools import partial
from typing import Final

from django.utils import timezone
from django.utils.module_loading import import_string
from redis import RedisError

from streaming import conf, database, fanout, fenced, lifecycle, oversize, providers, services
from streaming.cancellation import cancel
from streaming.continuation import VendorRun, continue_prompt
from streaming.endings import HANDED_BACK, Overdue, QueueAway, TextFull, WorkerLost, verdict
from streaming.errors import (
    Fenced,
    ProviderError,
    ProviderIncomplete,
    RunGone,
    StopRequested,
    StreamingError,
    Vetoed,
)
from streaming.events import Delta, Position, decode, encode
from streaming.filters import Chain, CleanText, Filter
from streaming.kept_run import KeptRun
from streaming.lane_run import LaneRun, Parting, told, used_of
from streaming.lane_values import Used
from streaming.ledger import KEPT
from streaming.lifecycle import Claim, Outcome
from streaming.providers.base import Finish, Handle, Limits, Part, Text, Usage
from streaming.publisher import Publisher
from streaming.retry import Retry, RetryPolicy
from streaming.spending import Spending
from streaming.states import Status
from streaming.tokens import estimate_tokens

log = logging.getLogger(__name__)

LOG_WAIT_S: Final = 30.0
"""How long an end waits for the log to confirm the last text; then the row alone tells it."""
BEGIN_WAIT_S: Final = 10.0
"""How long a log may fail to begin; then the generation waits in its row until Redis is back."""
BEGIN_PAUSE_S: Final = 0.5
CLOSE_WAIT_S: Final = 5.0
"""How long a provider may take to let go of its connection after a cut."""
_AWAY: Final = (RedisError, OSError, TimeoutError)


class Run:
    """One claimed attempt. `cut(error)` ends the reading from outside; the first reason wins."""

    def __init__(self, claim: Claim, publisher: Publisher, lane: LaneRun) -> None:
        self.claim = claim
        self.started_at = self.last_part_at = asyncio.get_running_loop().time()
        self._cut: StreamingError | None = None
        self._own_filters = self._load_filters()
        self._spending = Spending(claim.prompt)
        self._lane = lane
        self._kept = KeptRun(claim)
        self.writer = publisher.open(claim, Chain([CleanText(), *self._own_filters]))
        if claim.text:
            self._go_on_from(claim.text)
        self.writer.on_refused = self.cut
        self.writer.on_first_text = self._on_first_text
        self._publisher = publisher
        self._finish: Finish | None = None
        self._was_cut = asyncio.get_running_loop().create_future()
        self._begun = False
        self._reader: asyncio.Task[None] | None = None
        self._moves: list[asyncio.Task[bool]] = []
        self._folding: list[asyncio.Task[bool]] = []
        lane.produced = lambda: estimate_tokens(self.writer.own_text)

    def _load_filters(self) -> list[Filter]:
        try:
            return [import_string(path)(**arguments) for path, arguments in conf.get().filters]
        except Exception as failure:  # then nothing is shown at all, rather than unfiltered
            self._cut = self._defect(failure)
            return []

    def cut(self, error: StreamingError) -> None:
        if self._cut is None or isinstance(error, Fenced):
            self._cut = error
            if not self._was_cut.done():
                self._was_cut.set_result(None)

    @property
    def reading(self) -> bool:
        """Whether the provider is still being read; after that only log and row decide."""
        return self._reader is not None and not self._reader.done()

    async def execute(self) -> Parting:
        """Run to the end of the attempt, which is in the row when this returns; what is left to do is the lane's."""
        if self.claim.stop_requested:
            self._cut = StopRequested()
        elif self.claim.expired:
            self._cut = Overdue()
        elif self.claim.refused is not None:
            self._cut = self.claim.refused
        # What is seen of earlier attempts only the open log tells; a first attempt asks the provider meanwhile.
        is_first = self.claim.attempt == 1
        try:
            if is_first:
                self._ask()
            await self._begin()
            if not is_first:
                self._resume()
                self._ask()
            error = await self._read_to_end()
            return await self._end(await self._settle_text(error))
        except Exception as failure:  # whatever it was, people must not wait for it
            return await self._end(self._defect(failure))
        finally:
            await self._stop_reading()
            self._publisher.close(self.writer)

    def _ask(self) -> None:
        if self._cut is None:
            self.last_part_at = asyncio.get_running_loop().time()
            self._reader = asyncio.create_task(self._read())

    def _go_on_from(self, text: str) -> None:
        """Earlier attempts left this text visible."""
        self.writer.resume(text, Chain(self._kept.filters(text, self._own_filters)))
        if text:
            self._spending.prompt = continue_prompt(self.claim.prompt, text)

    def _resume(self) -> None:
        claim, text = self.claim, self.writer.text
        if text:
            self._move_on(text)
        elif claim.crashes and not self._kept:
            fold = partial(lifecycle.fold, claim.generation_id, claim.attempt, self._spending.found(text))
            self._folding.append(asyncio.create_task(database.persist(fold)))
        if claim.crashes > conf.get().crashes_max or (claim.crashes and text and not self._continues):
            self.cut(WorkerLost())

    def _move_on(self, text: str) -> None:
        """A run that is read again is counted once, by the vendor; another one's use is what the log tells of it."""
        found = None if self._kept else self._spending.found(text)
        self._move(partial(lifecycle.resume, self.claim.generation_id, self.claim.attempt, found))

    @property
    def _continues(self) -> bool:
        """Whether a break after text is followed by another attempt that goes on from it."""
        try:
            own = providers.find(self.claim.model).after_loss
        except StreamingError:
            return False
        return (own or conf.get().after_loss) == "continue"

    async def _begin(self) -> None:
        """Open the log; a first attempt has asked the provider meanwhile."""
        now = asyncio.get_running_loop().time
        deadline = now() + BEGIN_WAIT_S
        take_over = self._take_over if self.claim.attempt > 1 else None
        while self._cut is None or self._reader is None:
            try:
                await self._publisher.begin(self.writer, self.claim.position, take_over)
                self._begun = True
                return
            except Fenced as error:
                fenced.count("begin")
                self.cut(error)
                return
            except _AWAY as error:
                log.warning("no log for %s yet (%s)", self.claim.generation_id, type(error).__name__)
                if now() > deadline:
                    self.cut(QueueAway())
                    return
                await asyncio.wait({self._was_cut}, timeout=BEGIN_PAUSE_S)

    async def _take_over(self) -> None:
        """What the log holds beyond the row. `begin` fenced its writers off, so it cannot grow any more."""
        claim = self.claim
        left = await self._publisher.replay_log.read_after(claim.generation_id, claim.position)
        earlier = [decode(entry.frame) for entry in left.entries if entry.position.attempt < claim.attempt]
        self.writer.blocks.follow(earlier)
        beyond = "".join(event.text for event in earlier if isinstance(event, Delta))
        self._spending.read_log(earlier)
        if beyond:
            self._go_on_from(claim.text + beyond)

    async def _read(self) -> None:
        entry = providers.find(self.claim.model)
        provider = providers.get_provider(entry)
        if self._kept:
            try:
                return await self._take(self._kept.read_again(provider, entry, self.writer.text))
            except RunGone:
                log.warning("the vendor's run of %s is gone: it is asked anew", self.claim.generation_id)
                self._ask_anew()
        return await self._take(provider.stream(entry, self._spending.prompt))

    def _ask_anew(self) -> None:
        """Nothing of the old run has been shown yet by this attempt, but filters have seen it."""
        text = self.writer.text
        self._kept.forget()
        self._own_filters = self._load_filters()
        self._go_on_from(text)
        if text:
            self._move_on(text)

    async def _take(self, answer: AsyncGenerator[Part, None]) -> None:
        feed, now, writer = self.writer.feed, asyncio.get_running_loop().time, self.writer
        async with contextlib.aclosing(answer) as parts:
            async for part in parts:
                self.last_part_at = now()
                if type(part) is Text:
                    feed(part.text)
                    if writer.full:
                        raise TextFull
                elif type(part) is Usage:
                    self._spending.reported = part
                elif type(part) is Finish:
                    self._finish = part
                elif type(part) is Handle and part.handle != self._kept.known.handle:
                    self._kept.keep(VendorRun(part.handle, len(writer.text) - len(writer.own_text)))
                elif type(part) is Limits:
                    self._lane.hear(part.headers)

    async def _read_to_end(self) -> StreamingError | None:
        """Why the reading ended; None if the provider's own end was seen."""
        if self._reader is None:
            return self._cut
        await asyncio.wait({self._reader, self._was_cut}, return_when=asyncio.FIRST_COMPLETED)
        await self._stop_reading()
        failed = self._reader.done() and not self._reader.cancelled()
        error = self._reader.exception() if failed else None
        if self._cut is not None:
            return self._cut
        if error is None:
            return None if self._finish else ProviderIncomplete()
        size, tries = self.claim.input_estimate, self.claim.attempt - self.claim.crashes
        return oversize.judge(error, size, tries) if isinstance(error, StreamingError) else self._defect(error)

    async def _stop_reading(self) -> None:
        """Cancelling the reader closes the connection to the vendor."""
        if self._reader is not None and not await cancel(self._reader, within_s=CLOSE_WAIT_S):
            log.error("the provider of %s does not let go of its connection", self.claim.generation_id)

    def _defect(self, error: BaseException) -> ProviderError:
        log.error("generation %s failed", self.claim.generation_id, exc_info=error)
        return ProviderError("Something went wrong on this server.", code="internal", retryable=True)

    async def _settle_text(self, error: StreamingError | None) -> StreamingError | None:
        """Bring the last text into the log. Returns why the answer ended: a filter or the log may still have a say. A
        stop or a veto shows nothing that was still kept back."""
        writer = self.writer
        if isinstance(error, Fenced) or writer.refused is not None:
            return self._cut or error
        if isinstance(error, StopRequested) or not self._begun:
            writer.withdraw()
        if not self._begun:
            return error
        try:
            writer.end_of_text(flush_filters=not isinstance(error, StopRequested | TextFull | Vetoed))
        except Vetoed as veto:
            error = veto
        except Exception as failure:  # a filter of the site's own
            error = self._defect(failure)
        if error is None and writer.full:
            error = TextFull()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOG_WAIT_S):
                await self._publisher.drained(writer)
                if self._spending.reported is not None:
                    await self._publisher.append(writer, "o", self._spending.event(self.claim.generation_id))
        return self._cut or error  # a stop may have come while the last text was on its way

    async def _end(self, error: StreamingError | None) -> Parting:
        if isinstance(error, Fenced) or isinstance(self.writer.refused, Fenced):
            log.warning("attempt %s of %s lost its place", self.claim.attempt, self.claim.generation_id)
            # Its row waits again, or is another worker's already, who has another admission: then nothing happens.
            return Parting(error, Retry(0.0, counts=False), self._used(error))
        self.writer.finishing = True
        outcome = self._outcome(error)
        if outcome.text and not self._moves:
            self._on_first_text()
        if moves := [*self._moves, *self._folding, *self._kept.keeping]:
            await asyncio.wait(moves)
        if error is not None and self._may_retry(error, outcome) and (retry := self._retry(error)) is not None:
            if await self._requeue(error, retry):
                # A run that goes on at the vendor's is charged once, at its end.
                return Parting(error, retry, None if self._kept else self._used(error))
            outcome = self._outcome(StopRequested())  # only a stop keeps a running row from going back
        await self._finish_row(await self._with_blocks(outcome))
        if self._kept and self._finish is None:
            await self._kept.cancel()
        served = self._finish is not None or (self.writer.has_input and not isinstance(error, ProviderError))
        return Parting(error, None, self._used(error), good=served)

    async def _with_blocks(self, outcome: Outcome) -> Outcome:
        """The last blocks before the end; where they cannot be had, whoever reads the row renders it."""
        writer = self.writer
        if not self._begun or not writer.is_text_confirmed or writer.refused is not None:
            return outcome
        await self._publisher.render_rest(writer)
        position = Position(self.claim.attempt, writer.seq + (1 if writer.idle else 3))
        return replace(outcome, position=position, blocks=writer.blocks.encoded_whole(outcome.text))

    def _may_retry(self, error: StreamingError, outcome: Outcome) -> bool:
        """Without text always; with text only where the next attempt finds it: the row has the part that is confirmed,
        and with it the wish to look for more in the log."""
        return not outcome.text or isinstance(error, QueueAway) or (self._continues and bool(self.writer.text))

    def _outcome(self, error: StreamingError | None) -> Outcome:
        writer, text, skipped = self.writer, self.writer.text, 1
        if not writer.is_text_confirmed:
            # The log never confirmed the rest. The frozen event may still turn up in it, so the end stands further on,
            # where no viewer can take it for the next position: they read the row instead.
            text, skipped = text + writer.take_unconfirmed(), 3
        status, reason, told = verdict(error, text, self._finish.reason if self._finish else "")
        position = Position(self.claim.attempt, writer.seq + skipped)
        return Outcome(status, text, position, reason, told, *self._spent(error))

    def _spent(self, error: StreamingError | None) -> tuple[Usage | None, str]:
        text = self.writer.text[self._kept.known.after_chars :] if self._kept else self.writer.own_text
        # Without a word of an answer: it was asked and read the prompt, unless it said that it did not.
        was_read = self.writer.has_input or (self._reader is not None and not isinstance(error, ProviderError))
        return self._spending.of(text if was_read else None)

    def _used(self, error: StreamingError | None) -> Used | None:
        usage, source = self._spent(error)
        if usage is None:
            return None
        # What it read of a prompt that it did not answer, the lane has foreseen as well as we.
        return used_of(usage) if source == "provider" or self.writer.has_input else Used(None, 0)

    def _retry(self, error: StreamingError) -> Retry | None:
        if isinstance(error, HANDED_BACK):
            return Retry(0.0, counts=False)
        if not isinstance(error, ProviderError) or error.code == "internal":
            return None
        settings = conf.get()
        policy = RetryPolicy(settings.provider_errors_max, settings.retry_base_s, settings.retry_max_s)
        retry = policy.decide(error, self.claim.provider_errors, random.random)
        waited_s = (timezone.now() - self.claim.requested_at).total_seconds()
        if retry is None or waited_s + retry.wait_s > settings.queue_deadline_s:
            return None
        return retry

    async def _requeue(self, error: StreamingError, retry: Retry) -> bool:
        claim = self.claim
        position = self.writer.position
        text = self.writer.text
        if self._begun and not self.writer.idle and not text:
            # The log may hold a started and a usage event that it never confirmed. (With text the next attempt looks
            # for itself what the log holds beyond it.)
            position = Position(claim.attempt, self.writer.seq + 2)
        # A run that goes on at the vendor's is not counted yet.
        kept = Outcome(
            Status.QUEUED, text, position, error.code, error, *((None, KEPT) if self._kept else self._spent(error))
        )
        kept = replace(kept, blocks=self.writer.blocks.encoded())
        # The lane hears of it from this process; the pacer's wake-up is for the case that it dies first, or that Redis
        # is away (then there is no pacer either).
        left = isinstance(error, HANDED_BACK)
        wake_in_s = 0.0 if left else retry.wait_s + conf.get().wake_again_s
        queued = told(error, retry, claim.generation_id, "continuing" if text else "retrying")
        requeue = partial(lifecycle.requeue, claim.generation_id, claim.attempt, kept, queued)
        if not await database.persist(partial(requeue, wake_in_s=wake_in_s, counts=retry.counts)):
            return False
        await fanout.broadcast(self.writer.group, encode(queued))
        return True

    async def _finish_row(self, outcome: Outcome) -> None:
        """The row first, then the event: a death in between hangs nobody, for readers make the event from the row."""
        end = await database.persist(lambda: lifecycle.finish(self.claim.generation_id, self.claim.attempt, outcome))
        if end is None:
            fenced.count("finish")
            log.warning("the end of %s was refused: it belongs to somebody else", self.claim.generation_id)
            return
        event = end.event
        writer = self.writer
        if writer.refused is None and writer.idle and event.position == (writer.attempt, writer.seq + 1):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOG_WAIT_S):
                    await self._publisher.append(writer, "x", lambda position: event)
        await services.after_end(end)

    def _on_first_text(self) -> None:
        self._move(partial(lifecycle.first_text, self.claim.generation_id, self.claim.attempt, timezone.now()))

    def _move(self, move: Callable[[], bool]) -> None:
        """Beside the stream, which does not wait for the database; its end does."""
        self._moves.append(asyncio.create_task(database.persist(move)))
