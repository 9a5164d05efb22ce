"""Where an answer's life meets its person's budget: accepted, claimed, ended."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from streaming import budgets, lifecycle, services
from streaming.errors import Refused
from streaming.events import Position
from streaming.lifecycle import Outcome
from streaming.models import Generation, TokenReservation, TokenSpend
from streaming.prompt import Prompt, PromptMessage
from streaming.providers.base import Usage
from streaming.states import Status
from tests.engine import SETTINGS, Engine, ScriptedProvider, ask, attempts, has_status

MODEL = {"alias": "scripted", "label": "Scripted", "provider": "demo", "model": "scripted", "max_tokens": 1000}
BUDGET = {"models": (MODEL,), "user_tokens_per_day": 1500}


@pytest.fixture
def budget(settings: Any) -> None:
    settings.STREAMING = SETTINGS | BUDGET


def request(*, waited: bool = False, **more: Any) -> Generation:
    user, _ = get_user_model().objects.get_or_create(username="ann")
    with transaction.atomic():
        return services.request_generation(user_id=user.pk, model="scripted", accepted_before=waited, **more)


def spent() -> tuple[int, int]:
    """What is held and what was used today."""
    (day,) = [(row.reserved, row.used) for row in TokenSpend.objects.all() if len(row.period) == len("2026-11-21")]
    return day


def outcome(status: Status, usage: Usage | None) -> Outcome:
    return Outcome(status=status, text="Tea", position=Position(1, 3), usage=usage, usage_source="provider")


@pytest.mark.django_db
@pytest.mark.usefixtures("budget")
def test_a_question_beyond_the_budget_leaves_nothing() -> None:
    first = request()
    with pytest.raises(Refused) as refused:
        request()
    assert refused.value.code == "budget_spent"
    assert list(Generation.objects.values_list("pk", flat=True)) == [first.pk]
    assert spent() == (1000, 0)


@pytest.mark.django_db
@pytest.mark.usefixtures("budget")
def test_whoever_asks_for_less_holds_less_and_nobody_holds_more_than_the_model_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = request(max_tokens=100)
    assert spent() == (100, 0)
    prompt = Prompt((PromptMessage("user", ""),), max_tokens=100)
    monkeypatch.setattr("streaming.hooks.build_prompt", lambda _: prompt)
    assert lifecycle.claim(str(short.pk), "worker") is not None
    assert spent() == (100, 0), "at its claim as well"
    request(max_tokens=10**6)
    assert spent() == (1100, 0)


@pytest.mark.django_db
@pytest.mark.usefixtures("budget")
def test_an_end_gives_back_what_was_held_and_books_what_was_used_once() -> None:
    row = request()
    assert lifecycle.claim(str(row.pk), "worker") is not None
    ended = outcome(Status.COMPLETED, Usage(30, 12))
    assert lifecycle.finish(str(row.pk), 1, ended) is not None
    assert lifecycle.finish(str(row.pk), 1, ended) is not None, "its answer was lost and it is asked for again"
    assert spent() == (0, 42)
    assert not TokenReservation.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("budget")
def test_an_end_without_any_worker_gives_everything_back() -> None:
    row = request()
    assert lifecycle.end_queued(str(row.pk), Status.STOPPED) is not None
    assert spent() == (0, 0)


@pytest.mark.django_db
@pytest.mark.usefixtures("budget")
def test_an_attempt_that_goes_back_keeps_what_is_held() -> None:
    row = request()
    assert lifecycle.claim(str(row.pk), "worker") is not None
    assert lifecycle.reap("worker") == [str(row.pk)]
    held, used = spent()
    assert (held > 1000, used) == (True, 0), "the prompt is known since the claim"


@pytest.mark.django_db
@pytest.mark.usefixtures("budget")
def test_what_was_accepted_before_is_never_refused_when_its_turn_comes_but_when_it_would_be_asked() -> None:
    request()
    waited = request(waited=True)
    claim = lifecycle.claim(str(waited.pk), "worker")
    assert claim is not None
    assert claim.refused is not None
    assert claim.refused.code == "budget_spent"
    assert spent()[1] == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("budget")
def test_what_waits_and_is_not_held_for_yet_is_known() -> None:
    held = request(max_tokens=100)
    assert budgets.unheld(held.user_id, []) == (0, 0)
    waited = request(waited=True, input_estimate=100)
    assert budgets.unheld(held.user_id, []) == (1150, 0), "it waits for its model"
    assert budgets.unheld(held.user_id, [("scripted", 200), ("withdrawn", 200)]) == (2450, 0)
    assert lifecycle.claim(str(waited.pk), "worker") is not None
    assert budgets.unheld(held.user_id, []) == (0, 0), "its claim holds it"


async def test_nothing_is_asked_beyond_the_budget_and_people_read_why(
    engine: Engine, provider: ScriptedProvider, settings: Any
) -> None:
    settings.STREAMING = settings.STREAMING | BUDGET | {"user_tokens_per_day": 500}
    generation = await ask()
    engine.start(generation)
    row = await has_status(generation, Status.FAILED)
    assert (row.error_code, row.error_message[:26]) == ("budget_spent", "This question may use up t")
    assert provider.calls == []
    assert [attempt.outcome for attempt in await attempts(generation)] == [Status.FAILED]
