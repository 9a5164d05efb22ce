from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from redis.asyncio import Redis

from streaming import database, dispatcher, fanout, hooks, keys, services
from streaming.errors import Refused
from streaming.events import Position, Stopped, decode
from streaming.hooks import AfterEnd
from streaming.models import Generation
from streaming.states import LIVE, TERMINAL, Status
from tests.engine import SETTINGS, Change, Engine, ask, row
from tests.valkey import Valkey

OFFERS = (
    {"alias": "locked", "label": "Locked", "provider": "demo", "model": "x", "unavailable": "No key is set."},
    {"alias": "open", "label": "Open", "provider": "demo", "model": "x"},
)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ids: list[str] = []

    async def enqueue(generation_id: str) -> bool:
        ids.append(generation_id)
        return True

    monkeypatch.setattr(dispatcher, "enqueue", enqueue)
    return ids


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Position, str]]:
    events: list[tuple[str, Position, str]] = []

    async def note(group: str, position: Position, frame: str) -> bool:
        events.append((group, position, frame))
        return True

    monkeypatch.setattr(fanout, "announce", note)
    return events


@pytest.fixture
def offers(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"models": OFFERS}


# Models.


def test_all_models_are_offered_with_what_keeps_them_from_use(offers: None) -> None:
    assert services.model_choices() == [
        services.ModelChoice("locked", "Locked", "No key is set."),
        services.ModelChoice("open", "Open", None),
    ]
    assert services.default_model() == "open"


def test_a_site_without_any_usable_model_says_so(settings: Any) -> None:
    settings.STREAMING = SETTINGS | {"models": OFFERS[:1]}
    with pytest.raises(Refused) as refused:
        services.default_model()
    assert refused.value.code == "model_unavailable"


@pytest.mark.parametrize(
    ("alias", "code", "words"), [("nobody", "unknown_model", "locked, open"), ("locked", "model_unavailable", "No key")]
)
def test_a_model_that_cannot_be_used_is_refused_with_the_reason(
    offers: None, alias: str, code: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        services.check_model(alias)
    assert refused.value.code == code


# Accepting.


@pytest.mark.django_db
def test_a_request_is_a_row_that_waits(offers: None, django_user_model: Any) -> None:
    user = django_user_model.objects.create(username="ann")
    before = timezone.now()
    accepted = services.request_generation(user_id=user.pk, model="open")
    stored = Generation.objects.get(pk=accepted.pk)
    assert (stored.status, stored.attempt, stored.model, stored.user_id) == (Status.QUEUED, 0, "open", user.pk)
    assert timedelta(seconds=10) <= stored.wake_at - before < timedelta(seconds=15)
    assert timedelta(seconds=900) <= stored.deadline_at - before < timedelta(seconds=905)


@pytest.mark.django_db
def test_nobody_may_have_too_many_at_once(offers: None, django_user_model: Any) -> None:
    ann, bob = (django_user_model.objects.create(username=name) for name in ("ann", "bob"))
    for status in (*LIVE, *TERMINAL) * 4:
        wanted = services.request_generation(user_id=ann.pk, model="open", accepted_before=True)
        Generation.objects.filter(pk=wanted.pk).update(status=status)
    with pytest.raises(Refused, match="12 answers") as refused:
        services.request_generation(user_id=ann.pk, model="open")
    assert (refused.value.code, refused.value.retryable) == ("too_many", True)
    services.request_generation(user_id=bob.pk, model="open")


@pytest.mark.django_db
def test_what_was_accepted_before_is_refused_for_nothing(offers: None, django_user_model: Any) -> None:
    user = django_user_model.objects.create(username="ann")
    assert services.request_generation(user_id=user.pk, model="withdrawn", accepted_before=True).pk


@pytest.mark.django_db
def test_a_refused_request_leaves_no_row(offers: None, django_user_model: Any) -> None:
    user = django_user_model.objects.create(username="ann")
    with pytest.raises(Refused):
        services.request_generation(user_id=user.pk, model="locked")
    assert not Generation.objects.exists()


# Stopping.


async def test_whoever_waits_is_stopped_here_and_now_and_viewers_hear_it(
    engine: Engine,
    woken: list[str],
    announced: list[tuple[str, Position, str]],
    frames: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "generation_ended", lambda generation_id: AfterEnd([("room", "changed")], ["next"]))
    generation_id = await ask()
    assert await services.request_stop(generation_id) == Status.STOPPED
    ((group, position, frame),) = announced
    event = decode(frame)
    assert isinstance(event, Stopped)
    assert (group, position, event.position) == (fanout.stream_group(generation_id), (0, 1), (0, 1))
    assert (frames, woken) == (["changed"], ["next"])
    assert (await row(generation_id)).status == Status.STOPPED


@pytest.mark.parametrize("status", sorted(LIVE - {Status.QUEUED}))
async def test_whoever_runs_gets_the_wish_in_row_and_log(engine: Engine, direct: Redis, status: Status) -> None:
    generation_id = await ask(status=status, attempt=1)
    await engine.log.begin(generation_id, 1, "t", epoch="e")
    assert await services.request_stop(generation_id) == status
    stored = await row(generation_id)
    assert stored.status == status
    assert stored.stop_requested_at is not None
    assert await engine.log.stops([generation_id]) == {generation_id}


async def test_a_wish_that_is_ahead_of_the_log_waits_for_it(engine: Engine, direct: Redis) -> None:
    generation_id = await ask(status=Status.ADMITTED, attempt=1)
    await services.request_stop(generation_id)
    assert await direct.exists(keys.stream_stop(generation_id))


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_what_has_ended_stays_as_it_is(engine: Engine, direct: Redis, status: Status) -> None:
    generation_id = await ask(status=status)
    assert await services.request_stop(generation_id) == status
    assert (await row(generation_id)).stop_requested_at is None
    assert await direct.keys("s:*") == []


async def test_a_stop_without_redis_is_kept_in_the_row(engine: Engine, valkey: Valkey) -> None:
    running, waiting = await ask(status=Status.STREAMING, attempt=1), await ask()
    valkey.kill()
    try:
        assert await services.request_stop(running) == Status.STREAMING
        assert await services.request_stop(waiting) == Status.STOPPED
    finally:
        valkey.start()
    assert (await row(running)).stop_requested_at is not None
    assert (await row(waiting)).status == Status.STOPPED


async def test_a_stop_that_crosses_a_claim_reaches_the_worker(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_id = await ask()
    call = database.call

    async def claimed_meanwhile(function: Any, *arguments: Any, **options: Any) -> Any:
        if function.__name__ == "end_queued":
            await call(Generation.objects.filter(pk=generation_id).update, status=Status.ADMITTED, attempt=1)
        return await call(function, *arguments, **options)

    monkeypatch.setattr(database, "call", claimed_meanwhile)
    await engine.log.begin(generation_id, 1, "t", epoch="e")
    await services.request_stop(generation_id)
    assert await engine.log.stops([generation_id]) == {generation_id}


async def test_a_dispatch_says_whether_the_queue_was_there(
    engine: Engine, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    for there in (True, False):

        async def enqueue(generation_id: str, there: bool = there) -> bool:
            return there

        monkeypatch.setattr(dispatcher, "enqueue", enqueue)
        assert await services.dispatch("some-id") is there
