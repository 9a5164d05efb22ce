"""`python -m tests.simulator --port 0`: prints `ready: http://127.0.0.1:<port>` and serves until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal

import uvloop

from tests.simulator.limits import Allowance
from tests.simulator.server import Simulator


async def serve(port: int, allowance: Allowance) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Simulator(port) as simulator:
        simulator.limit(allowance)
        print(f"ready: {simulator.base_url}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on loopback; 0 takes a free one")
    parser.add_argument(
        "--limits", type=Allowance.parse, default=Allowance(), help="requests_per_minute=20,concurrency=3"
    )
    words = parser.parse_args()
    uvloop.run(serve(words.port, words.limits))
