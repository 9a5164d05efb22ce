"""The event loop inside a Celery worker: one thread, one publisher, one runner, one lease per process.

A task's thread hands its coroutine over and waits; parked threads cost about 30 kB each. Started lazily, because
Celery's main process must not own a loop before its pool exists.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import uvloop
from redis import RedisError

from streaming import (
    conf,
    keys,
    load,
    prices,
    providers,
    redis_client,
    wake_ups,
    worker_orders,
    worker_slots,
    workers_now,
)
from streaming.cancellation import cancel
from streaming.lane_values import Ticket
from streaming.pacer import Pacer
from streaming.publisher import Publisher
from streaming.runner import Runner
from streaming.witness import LEASE_S

T = TypeVar("T")
log = logging.getLogger(__name__)

BEAT_S: Final = 2.5


class Bridge:
    """`run` is called from any thread, everything else happens on the loop's own."""

    def __init__(self) -> None:
        # An SDK's import takes a second: not on the loop that all streams share.
        providers.preload()
        prices.preload()
        wake_ups.preload()
        self.worker_id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.slots_max = conf.get().worker_streams_max
        #: Where `worker_probes` answers; 0: nowhere.
        self.probes_port = 0
        #: Tells whoever fetches tasks for us whether to go on; called on our loop.
        self.fetch: Callable[[bool], None] = lambda goes_on: None
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bridge", daemon=True)
        self._thread.start()
        self.run(self._open())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def ask(self, work: Coroutine[Any, Any, T], within_s: float) -> T:
        """Raises TimeoutError if the loop does not get round to it."""
        asked = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return asked.result(within_s)
        except TimeoutError:
            asked.cancel()
            raise

    def run_generation(self, ticket: Ticket) -> None:
        self.run(self.runner.run(ticket))

    def drain(self) -> None:
        """Safe inside a signal handler: only tells the loop."""
        self._loop.call_soon_threadsafe(self.runner.drain)

    def close(self) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()  # the channel layer gives its connections back with the loop

    async def _open(self) -> None:
        providers.open_all()
        self._pace = workers_now.Pace()
        self.publisher = Publisher()
        self.runner = Runner(self.publisher, self.worker_id)
        await self._renew_lease(self.slots_max)  # before anything can be claimed in our name
        self._pacer = Pacer(self.worker_id)
        self._beat = asyncio.create_task(self._beat_forever())
        self._obey = asyncio.create_task(self._obey_forever())

    async def _close(self) -> None:
        await cancel(self._beat, self._obey)
        await load.tell(redis_client.get())
        await self._pacer.aclose()
        await self.runner.aclose()
        await self.publisher.aclose()
        await providers.aclose_all()
        try:
            await redis_client.get().delete(keys.worker_lease(self.worker_id))
        except (RedisError, OSError, TimeoutError):
            log.debug("the lease is left to expire")
        await redis_client.aclose()

    async def _beat_forever(self) -> None:
        """While this key lives, the process is alive: the reaper goes by it, and the demo waits for it."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self._renew_lease(self._slots())
            await load.tell(redis_client.get())

    def _slots(self) -> int:
        """Streams that may run here at once: once it shuts down or rests, those that do."""
        works = self.runner.drain_at is None and not self.runner.rests
        return self.slots_max if works else len(self.runner.runs)

    async def _obey_forever(self) -> None:
        """Whoever is told to rest says so at once: then its slots are given to nobody."""
        while True:
            await asyncio.sleep(worker_orders.PERIOD_S)
            try:
                order = await worker_orders.read(redis_client.get(), self.worker_id)
            except (RedisError, OSError, TimeoutError) as error:
                log.debug("orders could not be read (%s)", type(error).__name__)
                continue
            rests = self.runner.rests if order is None else order == "rest"
            if rests != self.runner.rests:
                log.warning("an administrator ordered this worker to %s", order)
                self.runner.rests = rests
                self.fetch(not rests)
                await self._renew_lease(self._slots())

    def _about(self) -> dict[str, Any]:
        state = "ending" if self.runner.drain_at is not None else "resting" if self.runner.rests else "working"
        about = workers_now.about(state, len(self.runner.runs), self.slots_max, self._pace.per_s(self.runner.tokens()))
        return about | ({"probes_port": self.probes_port} if self.probes_port else {})

    async def _renew_lease(self, slots: int) -> None:
        try:
            await worker_slots.renew(redis_client.get(), self.worker_id, slots, round(LEASE_S * 1000), self._about())
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("the worker's lease could not be renewed (%s)", type(error).__name__)


_bridge: Bridge | None = None
_lock = threading.Lock()


def get() -> Bridge:
    """The bridge of this process; started by the first caller."""
    global _bridge
    with _lock:
        if _bridge is None:
            _bridge = Bridge()
        return _bridge


def close() -> None:
    global _bridge
    with _lock:
        bridge, _bridge = _bridge, None
    if bridge is not None:
        bridge.close()


def drain() -> None:
    if _bridge is not None:
        _bridge.drain()
