"""Ports for servers that are told theirs: not from the range in which the kernel gives ports to connections.

Between the choice and the server's start seconds pass, in which other tests open thousands of connections.
"""

from __future__ import annotations

import random
import socket
from typing import Final

#: Below Linux's own range (32768 to 60999) and macOS's.
PORTS: Final = range(20_000, 32_000)
#: Not the tests' own dice, which several runs at once begin with the same seed.
_DICE: Final = random.SystemRandom()


def free_port() -> int:
    """One of this machine's that nobody listens at."""
    for port in _DICE.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
