"""A prepared query gives what the query itself gives, and refuses what it could not repeat faithfully."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce, Upper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from streaming.models import Generation
from streaming.prepared import Update, insert, prepared, prepared_update
from streaming.states import Status

pytestmark = pytest.mark.django_db


def make(name: str, **fields: object) -> Generation:
    user, _ = get_user_model().objects.get_or_create(username=name)
    now = timezone.now()
    defaults = {"model": "demo", "wake_at": now, "deadline_at": now + timedelta(minutes=1)}
    return Generation.objects.create(user=user, **{**defaults, **fields})


def queued(user_id: int) -> QuerySet[Generation]:
    return Generation.objects.filter(user_id=user_id, status=Status.QUEUED).order_by("requested_at")


def test_models_come_as_the_query_itself_gives_them() -> None:
    first, second = make("ann", text="é 👩‍👧"), make("ann")
    make("bob")
    by_user = prepared(queued)
    for _ in range(2):
        rows = by_user(first.user_id)
        assert rows == list(queued(first.user_id)) == [first, second]
        assert rows[0].requested_at == first.requested_at
        assert rows[0].text == "é 👩‍👧"
        assert rows[0]._state.adding is False


def test_each_call_puts_its_own_values_in() -> None:
    ann, bob = make("ann"), make("bob", status=Status.STREAMING)

    @prepared
    def status(generation_id: UUID, model: str) -> QuerySet[Generation, str]:
        return Generation.objects.filter(pk=generation_id, model=model).values_list("status", flat=True)

    assert status(ann.pk, "demo") == [Status.QUEUED]
    assert status(bob.pk, "demo") == [Status.STREAMING]
    assert status(bob.pk, "other") == []
    assert status(uuid4(), "demo") == []


def test_an_argument_may_stand_at_several_places_and_beside_constants() -> None:
    row = make("ann", attempt=3)

    @prepared
    def twice(user_id: int, status: str) -> QuerySet[Generation, tuple[object, ...]]:
        rows = Generation.objects.filter(user_id=user_id, user__pk=user_id, status=status).exclude(attempt=2)
        return rows.annotate(loud=Upper("model"), constant=Value("queued")).values_list("pk", "loud", "constant")

    assert twice(row.user_id, "queued") == [(row.pk, "DEMO", "queued")]


def test_values_come_as_dictionaries_and_deferred_fields_stay_away() -> None:
    row = make("ann", text="long")

    @prepared
    def values(generation_id: UUID) -> QuerySet[Generation, dict[str, object]]:
        return (
            Generation.objects.filter(pk=generation_id)
            .annotate(loud=Upper("model"))
            .values("status", "loud", "user_id")
        )

    @prepared
    def light(generation_id: UUID) -> QuerySet[Generation]:
        return Generation.objects.filter(pk=generation_id).defer("text")

    assert values(row.pk) == [{"status": "queued", "loud": "DEMO", "user_id": row.user_id}]
    (found,) = light(row.pk)
    assert found.get_deferred_fields() == {"text"}
    assert found.text == "long"


def test_the_function_is_called_once() -> None:
    row, calls = make("ann"), []

    @prepared
    def counted(user_id: int) -> QuerySet[Generation]:
        calls.append(user_id)
        return queued(user_id)

    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert counted(row.user_id) == counted(row.user_id) == [row]
    assert len(calls) == 1
    assert len(captured) == 2


def test_a_value_of_another_type_is_refused() -> None:
    by_user = prepared(queued)
    with pytest.raises(TypeError, match="no int"):
        by_user("1")
    with pytest.raises(ValueError, match="zip"):
        by_user()


def test_an_argument_that_does_not_reach_the_database_as_it_is_is_refused() -> None:
    @prepared
    def starts(model: str) -> QuerySet[Generation]:
        return Generation.objects.filter(model__startswith=model)

    with pytest.raises(TypeError, match="does not reach"):
        starts("demo")


def test_related_models_are_refused() -> None:
    @prepared
    def with_user(user_id: int) -> QuerySet[Generation]:
        return Generation.objects.filter(user_id=user_id).select_related("user")

    with pytest.raises(TypeError, match="without related ones"):
        with_user(1)


def test_rows_of_other_apps_work_too() -> None:
    user = make("ann").user

    @prepared
    def active(user_id: int) -> QuerySet[User]:
        return get_user_model().objects.filter(pk=user_id, is_active=True)

    assert active(user.pk) == [user]


# Updates.


@prepared_update
def begin_text(pk: UUID, attempt: int, text: str, at: datetime) -> Update:
    rows = Generation.objects.filter(pk=pk, attempt=attempt, status__in=[Status.QUEUED, Status.ADMITTED])
    return rows, {"text": text, "status": Status.STREAMING, "first_text_at": Coalesce("first_text_at", at)}


def test_an_update_changes_the_rows_it_means_and_counts_them() -> None:
    mine, other = make("ann", attempt=2), make("bob", attempt=2)
    at = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
    assert begin_text(mine.pk, 1, "not mine any more", at) == 0
    assert begin_text(mine.pk, 2, "é 👩‍👧", at) == 1
    assert begin_text(mine.pk, 2, "again", at) == 0
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.text, mine.status, mine.first_text_at) == ("é 👩‍👧", Status.STREAMING, at)
    assert (other.text, other.status, other.first_text_at) == ("", Status.QUEUED, None)


def test_many_updates_are_one_call_that_counts_all_rows() -> None:
    rows = [make("ann", attempt=number) for number in range(5)]
    at = timezone.now()
    calls = [(row.pk, row.attempt, f"text {row.attempt}", at) for row in rows]
    calls[3] = (rows[3].pk, 99, "a stranger's", at)
    assert begin_text.many(calls) == 4
    assert [Generation.objects.get(pk=row.pk).text for row in rows] == ["text 0", "text 1", "text 2", "", "text 4"]
    assert begin_text.many([]) == 0


def test_an_update_with_a_value_of_another_type_is_refused() -> None:
    row = make("ann")
    with pytest.raises(TypeError, match="no datetime"):
        begin_text(row.pk, 0, "text", "yesterday")


# New rows.


def unsaved(name: str, **fields: object) -> Generation:
    user, _ = get_user_model().objects.get_or_create(username=name)
    now = timezone.now()
    return Generation(user=user, model="demo", wake_at=now, deadline_at=now + timedelta(minutes=1), **fields)


def test_a_new_row_is_what_saving_would_have_made_of_it() -> None:
    for text in ("é 👩‍👧", ""):
        row, same = unsaved("ann", text=text, lane_tag=1.5), unsaved("ann", text=text, lane_tag=1.5)
        same.wake_at, same.deadline_at = row.wake_at, row.deadline_at
        insert(row)
        same.save(force_insert=True)
        fields = {field.attname for field in Generation._meta.concrete_fields} - {"id", "requested_at"}
        assert Generation.objects.values(*fields).get(pk=row.pk) == Generation.objects.values(*fields).get(pk=same.pk)
        assert (row._state.adding, row._state.db) == (same._state.adding, same._state.db)
        row.text = "more"
        row.save()
        assert Generation.objects.get(pk=row.pk).text == "more"


def test_a_new_row_gets_the_database_s_key() -> None:
    first, second = User(username="one"), User(username="two")
    for user in (first, second):
        insert(user)
    assert first.pk != second.pk
    assert [User.objects.get(pk=user.pk).username for user in (first, second)] == ["one", "two"]


def test_a_new_row_that_is_there_already_is_refused_as_ever() -> None:
    row = unsaved("ann")
    insert(row)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(row)
    assert Generation.objects.filter(pk=row.pk).count() == 1


def test_a_value_that_only_the_database_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.prepared._inserts", {})
    with pytest.raises(TypeError, match="one statement"):
        insert(unsaved("ann", lane_tag=Value(1.5) + Value(1.0), lane_seq=None))
