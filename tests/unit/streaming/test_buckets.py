"""Histograms of waits, and percentiles from them."""

from __future__ import annotations

import random

import pytest

from streaming import buckets


def histogram_of(*waits: float) -> list[int]:
    histogram = buckets.empty()
    for wait in waits:
        buckets.count(histogram, wait)
    return histogram


def test_an_edge_belongs_to_the_bucket_that_it_ends() -> None:
    assert histogram_of(0, 5, 5.1, 10, 900_000, 900_001)[:2] == [2, 2]
    assert histogram_of(900_000, 900_001)[-2:] == [1, 1]


def test_what_was_not_measured_is_not_counted() -> None:
    histogram = buckets.empty()
    buckets.count(histogram, None)
    assert sum(histogram) == 0
    assert buckets.percentile(histogram, 0.5) is None


def test_a_percentile_lies_in_the_bucket_of_its_rank() -> None:
    histogram = histogram_of(*[7] * 50, *[200] * 40, *[4_000] * 10)
    assert buckets.percentile(histogram, 0.25) == pytest.approx(7.5)  # half of the way through 5-10
    assert buckets.percentile(histogram, 0.5) == 10
    assert buckets.percentile(histogram, 0.9) == 250
    assert buckets.percentile(histogram, 0.95) == pytest.approx(3_750)
    assert buckets.percentile(histogram, 1.0) == 5_000


def test_beyond_the_last_edge_it_is_that_edge() -> None:
    assert buckets.percentile(histogram_of(10**9), 0.99) == 900_000


def test_it_is_within_one_bucket_of_the_true_one() -> None:
    dice = random.Random(7)
    waits = sorted(dice.lognormvariate(5, 2) for _ in range(1000))
    histogram = histogram_of(*waits)
    for share in (0.01, 0.5, 0.9, 0.95, 0.99):
        true, said = waits[round(share * 1000) - 1], buckets.percentile(histogram, share)
        assert said is not None
        at = next(place for place, edge in enumerate(buckets.EDGES_MS) if true <= edge)
        low = buckets.EDGES_MS[at - 1] if at else 0
        assert low <= said <= buckets.EDGES_MS[at]


def test_sums_are_those_of_all_waits_together_and_a_missing_one_adds_nothing() -> None:
    assert buckets.total([histogram_of(1, 70), [], histogram_of(3, 999)]) == histogram_of(1, 3, 70, 999)


def test_prometheus_has_the_same_edges() -> None:
    assert [round(edge * 1000) for edge in buckets.EDGES_S] == list(buckets.EDGES_MS)
