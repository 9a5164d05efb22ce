"""How others estimate a wait, on the same trace. Written from their published formulas; nothing of theirs is copied.

Gradio (gradio/queueing.py, broadcast_estimations): rank × mean duration of all jobs ever ÷ concurrency, and until a
worker is free. Cloudflare's Waiting Room: people ahead ÷ people accepted in the last minute. Neither knows a rate
limit, gives a second number, or sees an order that is not first come, first served.
"""

from __future__ import annotations

from collections.abc import Iterable

from streaming.lane_snapshot import Snapshot


def gradio(ahead: int, seen: Snapshot, services_s: list[float]) -> float:
    if not seen.slots or not services_s:
        return 0.0
    mean = sum(services_s) / len(services_s)
    ages = [item.age_s for item in seen.running]
    until_free = max(0.0, mean - max(ages)) if len(ages) >= seen.slots else 0.0
    return ahead * mean / seen.slots + until_free


def cloudflare(ahead: int, admissions: Iterable[float], now: float) -> float:
    return (ahead + 1) * 60 / max(1, sum(1 for when in admissions if when > now - 60))
