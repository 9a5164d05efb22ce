"""What the rows, the log and the provider of a demo say at the end of a run."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import redis

from streaming import keys
from tests.acceptance.demo_database import Row
from tests.acceptance.rig import Demo, until
from tests.reliability.history import AttemptTruth, RowTruth, Truth

_ENDED = "('completed', 'stopped', 'interrupted', 'failed', 'expired')"


def live(demo: Demo) -> int:
    """Generations that have not ended."""
    query = f"SELECT count(*) AS live FROM streaming_generation WHERE status NOT IN {_ENDED}"
    return int(demo.rows(query)[0]["live"])


def wait_all_ended(demo: Demo, timeout_s: float) -> None:
    until(lambda: not live(demo), "the end of all generations", timeout_s)


def read_truth(demo: Demo, streams: Iterable[str] | None = None) -> Truth:
    """Of these streams, or of all."""
    truth = Truth()
    attempts: dict[str, list[Row]] = {}
    for row in demo.rows("SELECT * FROM streaming_attempt ORDER BY number"):
        attempts.setdefault(row["generation_id"], []).append(row)
    wanted = None if streams is None else set(streams)
    with redis.Redis.from_url(demo.redis_url) as client:
        for row in demo.rows("SELECT * FROM streaming_generation"):
            stream = str(uuid.UUID(row["id"]))
            if wanted is None or stream in wanted:
                truth.rows[stream] = _row_truth(row, attempts.get(row["id"], []))
                truth.log[stream] = [entry[0].decode() for entry in client.xrange(keys.stream_log(stream))]
    return truth


def _row_truth(row: Row, attempts: list[Row]) -> RowTruth:
    of_each = tuple(
        AttemptTruth(one["number"], one["outcome"], one["usage_source"], one["output_tokens"]) for one in attempts
    )
    return RowTruth(row["status"], row["text"], of_each, row["output_tokens"])
