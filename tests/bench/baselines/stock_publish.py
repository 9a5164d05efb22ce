"""`group_send` per event, as a process: the other end of `stock_site`.

paced   {groups, events, rate}   so many events per group, the groups' turns spread over the period
burst   {groups, events}         as fast as the server takes them
end     {}                       the last frame of each, with the text's checksum
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from typing import Any

import uvloop

from tests.bench.baselines import stock_site

SLICES = 10
TEXT = " and here is event number {:>6},"


class Publisher:
    def __init__(self) -> None:
        from channels.layers import get_channel_layer

        self._layer = get_channel_layer()
        self._sent: dict[str, int] = {}

    async def paced(self, groups: list[str], events: int, rate: float) -> dict[str, Any]:
        slices = [groups[n::SLICES] for n in range(min(SLICES, len(groups)))]
        start, turn_s = time.monotonic(), 1 / rate / len(slices)
        for turn in range(events * len(slices)):
            await asyncio.sleep(max(0.0, start + turn * turn_s - time.monotonic()))
            for group in slices[turn % len(slices)]:
                await self._text(group)
        return {"seconds": time.monotonic() - start}

    async def burst(self, groups: list[str], events: int) -> dict[str, Any]:
        start = time.monotonic()
        for _ in range(events):
            for group in groups:
                await self._text(group)
        return {"seconds": time.monotonic() - start}

    async def end(self) -> dict[str, Any]:
        for group, count in self._sent.items():
            text = "".join(map(TEXT.format, range(count)))
            checksum = hashlib.sha256(text.encode()).hexdigest()
            await self._send(group, {"type": "stream.completed", "position": f"1-{count + 1}", "sha256": checksum})
        self._sent.clear()
        return {}

    async def _text(self, group: str) -> None:
        number = self._sent.get(group, 0)
        self._sent[group] = number + 1
        await self._send(group, {"type": "stream.delta", "position": f"1-{number + 1}", "text": TEXT.format(number)})

    async def _send(self, group: str, frame: dict[str, Any]) -> None:
        text = json.dumps({"generation": group, **frame}, separators=(",", ":"))
        await self._layer.group_send(group, {"type": "stream.event", "text": text})


async def serve() -> None:
    assert stock_site.application
    publisher = Publisher()
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        print(json.dumps(await getattr(publisher, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
