"""Every two seconds the texts of all running streams go into their rows, in one transaction (DESIGN 7).

A checkpoint is where a late reader begins and what a loss of Redis costs at most. It is also where a worker hears from
the row: that the attempt is no longer its own, or that somebody asked for a stop whose flag Redis lost.
"""

from __future__ import annotations

import asyncio
import logging

from streaming import database, fenced, lifecycle
from streaming.cancellation import cancel
from streaming.errors import Fenced, StopRequested
from streaming.events import Position
from streaming.lifecycle import Checkpoint
from streaming.writer import StreamWriter

log = logging.getLogger(__name__)


class Checkpoints:
    """Saves the writers of a set that its owner keeps up to date."""

    def __init__(self, writers: set[StreamWriter], period_s: float) -> None:
        self._writers, self._period_s = writers, period_s
        self._task = asyncio.create_task(self._save_forever())

    async def aclose(self) -> None:
        await cancel(self._task)

    async def _save_forever(self) -> None:
        saved: dict[StreamWriter, Position] = {}
        while True:
            await asyncio.sleep(self._period_s)
            writers = _newest([w for w in self._writers if w.refused is None and not w.finishing])
            if not writers:
                saved.clear()
                continue
            changed = [writer for writer in writers if saved.get(writer) != writer.position]
            try:
                await self._save(writers, changed, saved)
            except Exception as error:
                log.warning("checkpoint failed (%s): tried again in %s s", type(error).__name__, self._period_s)
            saved = {writer: position for writer, position in saved.items() if writer in self._writers}

    async def _save(
        self, writers: list[StreamWriter], changed: list[StreamWriter], saved: dict[StreamWriter, Position]
    ) -> None:
        items = [Checkpoint(w.generation_id, w.attempt, w.text, w.position, w.blocks.encoded()) for w in changed]
        lost, stopped = await database.call(lifecycle.checkpoint, items, [w.generation_id for w in writers])
        saved |= {writer: item.position for writer, item in zip(changed, items, strict=True)}
        for writer in writers:
            if writer.finishing:
                continue
            if writer.generation_id in lost:
                fenced.count("checkpoint")
                writer.refuse(Fenced())
            elif writer.generation_id in stopped:
                writer.on_refused(StopRequested())


def _newest(writers: list[StreamWriter]) -> list[StreamWriter]:
    """Without those whose generation this very process has claimed again, after it was taken for dead: their loss,
    which the row tells by the generation's id, must not be taken for the loss of the new attempt."""
    newest: dict[str, int] = {}
    for writer in writers:
        newest[writer.generation_id] = max(writer.attempt, newest.get(writer.generation_id, 0))
    for writer in writers:
        if writer.attempt < newest[writer.generation_id]:
            fenced.count("checkpoint")
            writer.refuse(Fenced())
    return [writer for writer in writers if writer.refused is None]
