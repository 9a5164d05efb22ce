"""An app that only tests install: it wraps the protections of each process so that `no …` on the board takes one away.

What is planted (lost and doubled messages, a wait before the end) is a fault, not a protection: it happens with the
protection as well, and does no harm then.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from typing import Any

from django.apps import AppConfig

from tests.reliability.switches.board import Board

LOSES_EVERY = 7
#: On the board, after each; and the key of Redis that says so of a fence.
LOST, PASSED_FENCE = "lost a message", "passed the fence"
HOLD_FINISH = "hold finish"
_FENCED = "if meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2] then return 'FENCED' end"
#: A log that takes what anybody brings, and numbers it.
_UNFENCED = """
if meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2] then
  if redis.call('EXISTS', 'no fence') == 0 then return 'FENCED' end
  local seq = tonumber(meta[3]) + 1
  local id = meta[1] .. '-' .. seq
  local frame = string.gsub(ARGV[5], '"position":"[^"]*"', '"position":"' .. id .. '"', 1)
  redis.call('SET', 'passed the fence', 1)
  redis.call('XADD', KEYS[2], id, 'k', ARGV[4], 'f', frame)
  redis.call('HSET', KEYS[1], 'last', seq)
  return 'OK'
end
"""


class Switches(AppConfig):
    name = "tests.reliability.switches"
    label = "switches"

    def ready(self) -> None:
        board = Board.of_this_process()
        plant_messages(board)
        plant_wait(board)
        for switch in (no_fence, no_compare, no_order, no_announcement, no_revalidation, no_idempotence):
            switch(board)


def plant_messages(board: Board) -> None:
    """The channel layer loses messages, or brings them twice."""
    from streaming.hub import Hub

    hand_over, count = Hub._hand_over, 0

    def spoiled(hub: Hub, message: dict[str, Any]) -> None:
        nonlocal count
        is_event = message["type"] == "stream.event"
        count += is_event
        if is_event and count % LOSES_EVERY == 0 and "lose messages" in board:
            board.set(LOST)
            return
        hand_over(hub, message)
        if is_event and "double messages" in board:
            hand_over(hub, message)

    Hub._hand_over = spoiled  # type: ignore[method-assign]


def plant_wait(board: Board) -> None:
    """A worker stands still between the last text and the end of the row; its process says so on the board."""
    from streaming.run import Run

    finish = Run._finish_row

    async def held(run: Run, outcome: Any) -> None:
        while HOLD_FINISH in board:
            board.set(f"held {os.getpid()}")
            await asyncio.sleep(0.02)
        await finish(run, outcome)

    Run._finish_row = held  # type: ignore[method-assign]


def no_fence(board: Board) -> None:
    """Neither the log nor a checkpoint tells a worker that it lost its place. For the script, `no fence` is a key."""
    from streaming import lifecycle, publisher

    original, checkpoint = publisher.script, lifecycle.checkpoint

    def trusting(checkpoints: Any, running: Any) -> Any:
        fenced, stopped = checkpoint(checkpoints, running)
        # Without comparing ends, too: else the one who lost the row may hear of it before it brings its own.
        return (set() if "no fence" in board or "no compare" in board else fenced), stopped

    lifecycle.checkpoint = trusting

    def script(name: str) -> tuple[str, str]:
        source, sha = original(name)
        if name == "append":
            assert _FENCED in source
            source = source.replace(_FENCED, _UNFENCED)
            sha = hashlib.sha1(source.encode()).hexdigest()
        return source, sha

    publisher.script = script


def no_compare(board: Board) -> None:
    """The row takes an end from whoever brings one, whatever its state and attempt."""
    from streaming import lifecycle
    from streaming.models import Generation

    finish = lifecycle.finish

    def unchecked(generation_id: str, attempt: int, outcome: Any) -> Any:
        if "no compare" not in board:
            return finish(generation_id, attempt, outcome)
        row = Generation.objects.filter(pk=generation_id)
        known = row.values_list("attempt", flat=True).get()
        row.update(status="streaming", attempt=attempt)
        try:
            return finish(generation_id, attempt, outcome)
        finally:
            row.update(attempt=known)

    lifecycle.finish = unchecked


def no_order(board: Board) -> None:
    """`no contiguity`: what is newer fits. `no dedupe`: what is known fits once more."""
    from streaming.timeline import Event, Timeline, Verdict

    judge = Timeline.judge

    def credulous(timeline: Timeline, event: Event, epoch: str) -> Verdict:
        verdict = judge(timeline, event, epoch)
        if timeline.synced and epoch == timeline.epoch:
            newer = event.position > timeline.last
            if (verdict is Verdict.MISFIT and newer and "no contiguity" in board) or (
                verdict is Verdict.KNOWN and "no dedupe" in board
            ):
                return Verdict.FITS
        return verdict

    Timeline.judge = credulous  # type: ignore[method-assign]


def no_announcement(board: Board) -> None:
    """Every snapshot says that it continues what was shown."""
    from streaming.feed_reading import Reading

    snapshot = Reading._snapshot

    def confident(reading: Reading, text: str, recovered: bool, with_blocks: bool) -> Any:
        return snapshot(reading, text, recovered or "no announcement" in board, with_blocks)

    Reading._snapshot = confident  # type: ignore[method-assign]


def no_revalidation(board: Board) -> None:
    from chat import revalidation

    check = revalidation.check

    async def lenient(registry: Any) -> None:
        if "no revalidation" not in board:
            await check(registry)

    revalidation.check = lenient


def no_idempotence(board: Board) -> None:
    """A message that is sent again is another message."""
    from chat import services

    send = services.send_message

    def forgetful(*args: Any, client_message_id: str, **fields: Any) -> Any:
        suffix = secrets.token_hex(4) if "no idempotence" in board else ""
        return send(*args, client_message_id=client_message_id + suffix, **fields)

    services.send_message = forgetful
