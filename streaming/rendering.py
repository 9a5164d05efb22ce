"""Beside a running stream: its confirmed text becomes blocks, and these go into the log after that text.

Only confirmed text is rendered, so no reader gets a block before the text it stands for. Small pieces of work are done
at once; everything else in a thread, one piece of a stream at a time: other streams must not wait for long code.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from streaming.markdown import BlockRenderer, Rendered
from streaming.writer import StreamWriter

THREADS: Final = 2
log = logging.getLogger(__name__)
_executor: ThreadPoolExecutor | None = None


def _pool() -> ThreadPoolExecutor:
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(THREADS, thread_name_prefix="rendering")
    return _executor


class Rendering:
    """One per writer. It never raises: an answer that cannot be rendered is shown as it was written."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer
        self._renderer = BlockRenderer()
        self._arrived: list[str] = []
        self._work: asyncio.Future[Sequence[Rendered]] | None = None
        self._is_due = False
        self._given_up = False

    def begin(self) -> None:
        """Go on from the writer's text and blocks; its text comes from now on."""
        writer = self._writer
        if writer.text:
            self._is_due = self._renderer.resume(writer.text, writer.blocks.reopen())
        writer.on_text = self._push
        self._proceed()

    async def finish(self) -> None:
        """No more text: the blocks that are left are ready when this returns."""
        while self._work is not None:
            await asyncio.wait({self._work})
        if not self._given_up:
            self._writer.on_text = lambda text: None
            self._start(self._renderer.finish, is_light=self._renderer.is_light)
        if self._work is not None:
            await asyncio.wait({self._work})

    def _push(self, text: str) -> None:
        self._arrived.append(text)
        if self._work is None and not self._given_up:
            self._proceed()

    def _proceed(self) -> None:
        """All that arrived while a thread had the renderer, in one go."""
        arrived, self._arrived = "".join(self._arrived), []
        self._is_due = (self._renderer.push(arrived) if arrived else False) or self._is_due
        if self._is_due:
            self._is_due = False
            self._start(self._renderer.render, is_light=self._renderer.is_light)

    def _start(self, work: Callable[[], Sequence[Rendered]], *, is_light: bool) -> None:
        if is_light:
            try:
                self._offer(work())
            except Exception as error:
                self._give_up(error)
            return
        self._work = asyncio.get_running_loop().run_in_executor(_pool(), work)
        self._work.add_done_callback(partial(self._done))

    def _done(self, work: asyncio.Future[Sequence[Rendered]]) -> None:
        self._work = None
        if work.cancelled():
            self._given_up = True
        elif (error := work.exception()) is not None:
            self._give_up(error)
        else:
            self._offer(work.result())
            self._proceed()

    def _offer(self, made: Sequence[Rendered]) -> None:
        if made:
            self._writer.offer(made)

    def _give_up(self, error: BaseException) -> None:
        self._given_up = True
        log.error("the answer %s is shown as it was written", self._writer.generation_id, exc_info=error)
