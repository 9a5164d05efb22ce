"""A process that can serve says so in the file named by READY_FILE; `manage.py demo` and health checks look there."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Final

SWITCH_INTERVAL_S: Final = 0.001
"""How long one thread may keep the others from running. Python's own 5 ms would, for each query that another thread
works on, make the event loop that late with everybody's text."""


def say_ready() -> None:
    """Call it when all is loaded: what is there by now stays, so the garbage collector need not look at it again (more
    than a hundred thousand objects, for which it would stop all streams for tens of milliseconds)."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if path := os.environ.get("READY_FILE"):
        Path(path).touch()
