"""A run that the vendor keeps (OpenAI's background mode), as one attempt knows it.

Such a run goes on without its worker. The next attempt reads it again from its start, through the same filters, and
drops exactly the text that people have: no second request, no seam. Where that is refused, it asks anew and goes on as
after any loss.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final

from streaming import database, lifecycle, providers
from streaming.continuation import Seam, Shown, VendorRun
from streaming.errors import RunGone, StreamingError
from streaming.filters import CleanText, Filter
from streaming.lifecycle import Claim
from streaming.providers.base import ModelEntry, Part, Provider, RunKeeper

CANCEL_WAIT_S: Final = 5.0
log = logging.getLogger(__name__)


class KeptRun:
    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self.known = claim.vendor_run
        self.keeping: list[asyncio.Task[None]] = []

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self.known.handle)

    def keep(self, run: VendorRun) -> None:
        """Into the row, beside the stream; the attempt's end waits for `keeping`."""
        self.known = run
        self.keeping.append(asyncio.create_task(self._write_down(run, self.keeping[-1:])))

    async def _write_down(self, run: VendorRun, earlier: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*earlier)
        await database.persist(partial(lifecycle.keep_run, self._claim.generation_id, self._claim.attempt, run))

    def forget(self) -> None:
        self.known = VendorRun()

    def filters(self, text: str, own: list[Filter]) -> list[Filter]:
        """For an attempt that goes on from `text`, which people have."""
        before = text[: self.known.after_chars] if self else text
        seam = [Seam(before)] if before else []
        shown = [Shown(text[len(before) :])] if self else []
        return [CleanText(), *seam, *own, *shown]

    def read_again(self, provider: Provider, entry: ModelEntry, text: str) -> AsyncGenerator[Part, None]:
        """Raises RunGone, here or while it is read. It is also of no use if the text before it is not there any more:
        then Redis and a worker were lost together."""
        if not isinstance(provider, RunKeeper) or len(text) < self.known.after_chars:
            raise RunGone
        return provider.reattach(entry, self.known.handle)

    async def cancel(self) -> None:
        """Nobody will read it to its end: neither does anybody want to pay for it. Never raises."""
        try:
            entry = providers.find(self._claim.model)
            provider = providers.get_provider(entry)
            if isinstance(provider, RunKeeper):
                async with asyncio.timeout(CANCEL_WAIT_S):
                    await provider.cancel(entry, self.known.handle)
        except (StreamingError, TimeoutError) as error:
            log.warning("the run of %s could not be cancelled (%s)", self._claim.generation_id, error)
