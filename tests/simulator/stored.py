"""Responses in background mode: runs that go on without their client, and clients that read them from any event on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.simulator import corpus, going_on
from tests.simulator.answer import LAST_CHUNK, cut_off, head_of
from tests.simulator.dialects import CREATED, OPENAI_CODES, OUTPUT, event
from tests.simulator.exchange import Exchange

PATH = "/v1/responses/"
#: In the middle of the text these cut the first client's connection; the run goes on.
CONNECTION_FAULTS = {"rst", "fin", "clean"}
#: These end the run.
RUN_FAULTS = {"error", "overloaded", "failed"}


class StoredRun:
    """One run and its events, each with its number. `status`: in_progress, completed, failed, cancelled."""

    def __init__(self, exchange: Exchange, on_change: Callable[[], None]) -> None:
        self.id = f"resp_sim_{exchange.number}"
        self.model = exchange.model
        self.script = exchange.script
        self.status = "in_progress"
        self.events: list[bytes] = []
        self.sent: list[str] = []
        whole = corpus.tokens(self.script.tokens, self.script.seed, bool(self.script.unicode))
        self._tokens = going_on.tokens(self.script, exchange.body, whole)
        self._on_change = on_change
        self._readers: list[StoredAnswer] = []
        self._loop = asyncio.get_running_loop()
        self._start = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop.call_later(self.script.headers, self._begin)

    def join(self, reader: StoredAnswer) -> None:
        self._readers.append(reader)

    def leave(self, reader: StoredAnswer) -> None:
        if reader in self._readers:
            self._readers.remove(reader)

    def cancel(self) -> None:
        if self.status == "in_progress":
            self._end("cancelled")

    def go_at(self, rate: float) -> None:
        """From now on so many tokens a second, whatever the script says."""
        self.script, now = replace(self.script, rate=rate, first=0.0), self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._start = now - ((len(self.sent) - 1) / rate if rate else 0.0)
            self._timer = self._loop.call_at(now + 1 / rate if rate else now, self._step)

    def described(self) -> dict[str, Any]:
        about = {"id": self.id, "object": "response", "created_at": CREATED, "model": self.model, "background": True}
        return {**about, "status": self.status, "output": [], "error": None, "incomplete_details": None, "usage": None}

    def _begin(self) -> None:
        self._add("response.created", response=self.described())
        self._add("response.in_progress", response=self.described())
        self._start = self._loop.time() + self.script.first
        self._timer = self._loop.call_at(self._start, self._step)

    def _step(self) -> None:
        if self.status != "in_progress":
            return
        script, number = self.script, len(self.sent)
        if script.fault in RUN_FAULTS and number == script.fault_at:
            self._fail()
        elif number == len(self._tokens):
            self._complete()
        else:
            if script.fault in CONNECTION_FAULTS and number == script.fault_at:
                for reader in self._readers[:]:
                    reader.cut(script.fault)
            self._add("response.output_text.delta", **OUTPUT, delta=self._tokens[number], logprobs=[])
            self.sent.append(self._tokens[number])
            pace = self._start + len(self.sent) / script.rate if script.rate else self._loop.time()
            self._timer = self._loop.call_at(pace, self._step)
        self._on_change()

    def _complete(self) -> None:
        self.status = "completed"
        details = {"input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": {"reasoning_tokens": 0}}
        asked, sent = self.script.input, len(self._tokens)
        usage = {"input_tokens": asked, "output_tokens": sent, "total_tokens": asked + sent}
        self._add("response.completed", response={**self.described(), "usage": {**usage, **details}})
        self._end("completed")

    def _fail(self) -> None:
        self.status = "failed"
        error = {"code": OPENAI_CODES.get(self.script.fault, ("", None))[1] or "server_error", "message": "no"}
        self._add("response.failed", response={**self.described(), "error": error})
        self._end("failed")

    def _add(self, name: str, **data: Any) -> None:
        self.events.append(event(name, sequence_number=len(self.events), **data))
        for reader in self._readers[:]:  # whose client is gone leaves meanwhile
            reader.write(self.events[-1])

    def _end(self, status: str) -> None:
        self.status = status
        for reader in self._readers[:]:
            reader.finish()
        self._on_change()


class StoredAnswer:
    """One client's reading of a run, from the event after number `after` on."""

    def __init__(
        self,
        transport: asyncio.Transport,
        exchange: Exchange,
        run: StoredRun,
        on_complete: Callable[[], None],
        *,
        after: int = -1,
    ) -> None:
        self._transport, self._exchange, self._run, self._after = transport, exchange, run, after
        self._on_complete = on_complete

    def start(self) -> None:
        self._transport.write(head_of(self._exchange))
        for earlier in self._run.events[self._after + 1 :]:
            self.write(earlier)
        self._run.join(self)
        if self._run.status != "in_progress":
            self.finish()

    def pause(self) -> None:
        """What a run says is small: it waits in memory."""

    def resume(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        if self._transport.is_closing() or self._exchange.ended_at is not None:
            self._run.leave(self)
            return
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self) -> None:
        self._run.leave(self)
        if not self._transport.is_closing():
            self._transport.write(LAST_CHUNK)
            self._exchange.end("complete")
            self._on_complete()

    def cut(self, fault: str) -> None:
        self._run.leave(self)
        self._exchange.end(fault)
        cut_off(self._transport, fault, self._on_complete)


class StoredRuns:
    """All runs of a simulator, by id."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.all: dict[str, StoredRun] = {}
        self._on_change = on_change

    def begin(self, exchange: Exchange) -> StoredRun:
        run = StoredRun(exchange, self._on_change)
        self.all[run.id] = run
        run.start()
        return run

    def find(self, path: str) -> StoredRun | None:
        """The run that a path under PATH names."""
        return self.all.get(path.removeprefix(PATH).partition("/")[0])
