"""Refusals are counted by kind, and the lease tells them."""

from __future__ import annotations

import json

from streaming import fenced


def test_the_lease_tells_what_was_refused() -> None:
    before = fenced.counts().get("append", 0)
    fenced.count("append")
    fenced.count("append")
    value = json.loads(fenced.lease_value(7, {}))
    assert value["fenced"]["append"] == before + 2
    assert value["slots"] == 7
