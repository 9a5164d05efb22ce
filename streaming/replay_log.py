"""The log of a running stream: one Redis Stream per generation, and what may be done to it (DESIGN 7).

Entry ids are positions. Three scripts write: `begin` opens an attempt, `append` adds one event and publishes it, `stop`
leaves the wish to stop. Reading is a plain range after a position; a reader's cost follows what it missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from streaming import conf, keys
from streaming.errors import Fenced
from streaming.events import START, Position

PAGE: Final = 1000
"""Entries per range command: about 5 ms of the server's time."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    position: Position
    kind: str
    frame: str


@dataclass(frozen=True, slots=True)
class LogHead:
    """Where a log ends. `last` is the last position of any attempt."""

    epoch: str
    last: Position
    closed: bool


@dataclass(frozen=True, slots=True)
class LogRead:
    """Entries after a position, and the log's head when they were read. `epoch` is None if there is no log."""

    epoch: str | None
    last: Position | None
    closed: bool
    entries: list[LogEntry]


@dataclass(frozen=True, slots=True)
class Begun:
    """`last_seq`: events of this attempt that the log already holds. `before`: the last position before the attempt."""

    epoch: str
    last_seq: int
    before: Position


@cache
def script(name: str) -> tuple[str, str]:
    """Source and SHA-1 of a script, as EVAL and EVALSHA want them."""
    source = files("streaming").joinpath("lua", f"{name}.lua").read_text()
    return source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class ReplayLog:
    def __init__(self, client: Redis) -> None:
        self._client = client
        self._ttl_ms = conf.get().log_ttl_s * 1000

    async def begin(
        self,
        generation_id: str,
        attempt: int,
        token: str,
        *,
        epoch: str,
        last_seq: int = 0,
        before: Position = START,
    ) -> Begun:
        """Open the log for an attempt whose claim stands in the row. Without a log, `epoch`, `last_seq` and `before`
        become its own. Raises Fenced if a newer attempt, or another writer of this one, has it, or if it is closed."""
        names = [
            keys.stream_meta(generation_id),
            keys.stream_log(generation_id),
            keys.stream_stop(generation_id),
        ]
        reply = await self._run("begin", names, attempt, token, epoch, last_seq, str(before), self._ttl_ms)
        if reply[0] != b"OK":
            raise Fenced(reply[0].decode())
        return Begun(reply[1].decode(), int(reply[2]), Position.parse(reply[3].decode()))

    async def request_stop(self, generation_id: str) -> None:
        names = [keys.stream_meta(generation_id), keys.stream_stop(generation_id)]
        await self._run("stop", names, self._ttl_ms)

    async def read_after(self, generation_id: str, after: Position) -> LogRead:
        """Everything after `after`. Head and entries are of one moment unless the answer needs several pages."""
        meta, raw = await self._read_page(generation_id, after)
        entries = [_entry(item) for item in raw]
        while len(raw) == PAGE:
            meta, raw = await self._read_page(generation_id, entries[-1].position)
            entries += [_entry(item) for item in raw]
        head = _head(meta)
        if head is None:
            return LogRead(None, None, False, [])
        return LogRead(head.epoch, head.last, head.closed, entries)

    async def heads(self, generation_ids: Sequence[str]) -> list[LogHead | None]:
        """The heads of many logs in one round trip; None where there is no log."""
        pipe = self._client.pipeline(transaction=False)
        for generation_id in generation_ids:
            pipe.hmget(keys.stream_meta(generation_id), _META)
        return [_head(meta) for meta in await pipe.execute()]

    async def stops(self, generation_ids: Sequence[str]) -> set[str]:
        """Those whose stop flag is set, in one round trip."""
        pipe = self._client.pipeline(transaction=False)
        for generation_id in generation_ids:
            pipe.hget(keys.stream_meta(generation_id), "stop")
        flags = await pipe.execute()
        return {generation_id for generation_id, flag in zip(generation_ids, flags, strict=True) if flag}

    async def _read_page(self, generation_id: str, after: Position) -> tuple[Any, Any]:
        pipe = self._client.pipeline(transaction=True)
        pipe.hmget(keys.stream_meta(generation_id), _META)
        pipe.xrange(keys.stream_log(generation_id), f"({after}", "+", PAGE)
        meta, raw = await pipe.execute()
        return meta, raw

    async def _run(self, name: str, names: list[str], *arguments: Any) -> Any:
        source, sha = script(name)
        try:
            return await self._client.evalsha(sha, len(names), *names, *arguments)
        except NoScriptError:
            return await self._client.eval(source, len(names), *names, *arguments)


_META: Final = ["attempt", "last", "epoch", "closed", "before"]


def _head(meta: list[bytes | None]) -> LogHead | None:
    attempt, last, epoch, closed, before = meta
    if attempt is None or last is None or epoch is None:
        return None
    position = Position(int(attempt), int(last))
    if position.seq == 0 and before is not None:  # an attempt that began and has no event yet
        position = Position.parse(before.decode())
    return LogHead(epoch.decode(), position, closed is not None)


def _entry(item: tuple[bytes, dict[bytes, bytes]]) -> LogEntry:
    entry_id, fields = item
    return LogEntry(Position.parse(entry_id.decode()), fields[b"k"].decode(), fields[b"f"].decode())
