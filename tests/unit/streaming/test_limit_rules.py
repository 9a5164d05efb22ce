"""Limits of a lane as people write them."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

from streaming.lane_limits import ChargeMode, LaneLimits
from streaming.limit_rules import RULES, check_limits, parse_limits


def test_every_limit_has_a_rule_and_its_default_fits() -> None:
    assert set(RULES) == {field.name for field in fields(LaneLimits)}
    defaults = {field.name: getattr(LaneLimits(), field.name) for field in fields(LaneLimits)}
    assert check_limits(defaults) == LaneLimits()


def test_limits_are_read_from_one_line() -> None:
    text = " requests_per_minute=20, concurrency=3,user_queue=none,,charge=reserve_max , adopt_higher=no,pace=0.9"
    assert parse_limits(text) == {
        "requests_per_minute": 20.0,
        "concurrency": 3,
        "user_queue": None,
        "charge": ChargeMode.RESERVE_MAX,
        "adopt_higher": False,
        "pace": 0.9,
    }
    assert parse_limits("") == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rpm=20", "there is no limit 'rpm'. Known: requests_per_minute, input_tokens_per_minute"),
        ("concurrency", "'concurrency' is not of the form name=number"),
        ("concurrency=2,concurrency=3", "'concurrency' stands there twice"),
        ("concurrency=many", "concurrency must be a whole number from 1 to 100000 or none, not 'many'"),
        ("concurrency=2.5", "concurrency must be a whole number"),
        ("concurrency=0", "concurrency must be a whole number from 1 to 100000 or none, not 0"),
        ("requests_per_minute=-1", "requests_per_minute must be a number from 0.01 to 10000000 or none, not -1.0"),
        ("requests_per_minute=nan", "requests_per_minute must be a number"),
        ("requests_per_minute=inf", "requests_per_minute must be a number"),
        ("pace=none", "pace must be a number from 0.1 to 1, not 'none'"),
        ("pace=1.5", "pace must be a number from 0.1 to 1, not 1.5"),
        ("charge=later", "charge must be as_produced or reserve_max, not 'later'"),
        ("adopt_higher=perhaps", "adopt_higher must be yes or no, not 'perhaps'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        parse_limits(text)


def test_settings_give_objects_and_are_checked_alike() -> None:
    assert check_limits({"concurrency": 3, "charge": "reserve_max"}) == LaneLimits(
        concurrency=3, charge=ChargeMode.RESERVE_MAX
    )


@pytest.mark.parametrize(
    "limits", [{"rpm": 1}, {"concurrency": True}, {"concurrency": "3"}, {"pace": None}, {"adopt_higher": 1}]
)
def test_settings_of_the_wrong_kind_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        check_limits(limits)
