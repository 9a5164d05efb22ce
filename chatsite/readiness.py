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
GC_THRESHOLDS: Final = (5_000, 5, 20)
"""Every stream and socket that begins adds some 250 objects that live as long as it does. With Python's own values
(700, 10, 10) each few dozen of them start a walk over all the others: 100 ms in which 500 streams stand still, and
nearly nothing is found. With these a full walk comes after half a million objects more; the young ones are looked at
in 2-12 ms."""


def say_ready() -> None:
    """Call it when all is loaded: what is there by now stays, so the garbage collector need not look at it again (more
    than a hundred thousand objects, for which it would stop all streams for tens of milliseconds)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if path := os.environ.get("READY_FILE"):
        Path(path).touch()
