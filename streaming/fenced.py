"""Counts what was refused to this process because the attempt is somebody else's by now (DESIGN law 3).

A worker that thawed after its lease is rare, and its refusals are the proof that the fence stands. The counts travel in
the value of the worker's lease: `{"fenced": {"append": 2}, "slots": 500}`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from streaming import metrics

Refusal = Literal["begin", "append", "checkpoint", "finish"]
_counts: Counter[str] = Counter()


def count(refusal: Refusal) -> None:
    """Only on the worker's loop: no lock."""
    _counts[refusal] += 1
    metrics.FENCED.labels(refusal).inc()


def counts() -> dict[str, int]:
    return dict(_counts)


def lease_value(slots: int, about: Mapping[str, Any]) -> str:
    """`slots`: streams that this process can run at once; `about` it: see `workers_now`."""
    return json.dumps({"fenced": counts(), "slots": slots, **about})
