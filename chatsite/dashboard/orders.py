"""What operators can order: each with its permission, its sentence, and what it does. Nothing is ordered without the
confirmation page (`confirm`), which asks why, and nothing without a line in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chat.administration import repeat_answer
from chatsite.dashboard import audit, reading
from chatsite.dashboard.rights import CHANGE_LIMITS, STOP_ANSWERS, VIEW_TEXT
from streaming import site_now, steering
from streaming.models import Generation, Lane


@dataclass(frozen=True, slots=True)
class Given:
    """Somebody confirmed it. `minutes`: of a pause, if it has an end."""

    request: HttpRequest
    target: Any
    why: str
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    message: str
    #: Where to go on, if not to the order's page.
    url: str = ""
    #: Something of it is still to come.
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    permission: str
    title: Any
    find: Callable[[str], Any]
    explain: Callable[[Any], str]
    carry_out: Callable[[Given], Done]
    page: str
    is_harsh: bool = False
    asks_minutes: bool = False


# What it is about. Unknown is a 404.


def _answer(target: str) -> Any:
    try:
        found = Generation.objects.select_related("user").filter(pk=UUID(target)).defer("text").first()
    except ValueError:
        found = None
    return _known(found)


def _person(target: str) -> Any:
    return _known(get_user_model().objects.filter(pk=target).first() if target.isdecimal() else None)


def _lane(target: str) -> Any:
    return _known(Lane.objects.filter(pk=target).first())


def _worker(target: str) -> str:
    return str(_known(next((worker.id for worker in site_now.workers() or () if worker.id == target), None)))


def _known(found: Any) -> Any:
    if found is None:
        raise Http404
    return found


# What it does.


def _stop(given: Given, answers: Any) -> Done:
    audit.note(given.request, given.target, "Stopped", given.why)
    count, told = steering.stop(answers)
    message = ngettext("%(count)s answer is stopped.", "%(count)s answers are stopped.", count) % {"count": count}
    if told < count:
        later = _("%(count)s of them hear of it when their turn comes.") % {"count": count - told}
        return Done(f"{message} {later}", is_late=True)
    return Done(message)


def _repeat(given: Given) -> Done:
    audit.note(given.request, given.target, "Asked again", given.why)
    repeat_answer(given.target.pk, given.target.user_id)
    return Done(_("The question was asked again."))


def _read(given: Given) -> Done:
    audit.note(given.request, given.target, "Read along", given.why)
    return Done("", url=reading.address(given.request, given.target))


def _hold(kind: Any, done: Any) -> Callable[[Given], Done]:
    def carry_out(given: Given) -> Done:
        until = timezone.now() + timedelta(minutes=given.minutes) if given.minutes else None
        with transaction.atomic():
            steering.hold(given.target.pk, kind, given.why, until)
            audit.note(given.request, given.target, "Paused" if kind == "pause" else "Drained", given.why)
        return _in_force(given.target.pk, done)

    return carry_out


def _release(given: Given) -> Done:
    """An order first; without one, what the provider closed: it may have asked for a day."""
    reopen = given.target.hold() is None
    with transaction.atomic():
        steering.release(given.target.pk)
        audit.note(given.request, given.target, "Resumed", given.why)
    done = _in_force(given.target.pk, _("The lane goes on."), reopen=reopen)
    if done.is_late and (reopen or given.target.blocked_reason):  # the lane alone knows: its row would only repeat it
        return Done(_("Redis cannot be reached just now, so the lane is still blocked. Try again."), is_late=True)
    return done


def _in_force(lane: str, message: Any, *, reopen: bool = False) -> Done:
    if steering.apply_order(lane, reopen=reopen):
        return Done(str(message))
    later = _("Redis cannot be reached just now. This is saved, and comes into force within a second of its return.")
    return Done(later, is_late=True)


def _worker_order(order: Any, what: str, done: Any) -> Callable[[Given], Done]:
    def carry_out(given: Given) -> Done:
        audit.note(given.request, given.target, what, given.why)
        steering.order_worker(given.target, order)
        return Done(str(done))

    return carry_out


def _count(answers: Any) -> str:
    count = answers.count()
    return ngettext("%(count)s answer that runs or waits.", "%(count)s answers that run or wait.", count) % {
        "count": count
    }


def _titled(lane: Lane) -> str:
    title = site_now.lane_titles().get(lane.pk, lane.pk)
    return title if lane.pk in title else f"{title} ({lane.pk})"


def _of_answer(answer: Generation) -> str:
    return f"{answer.user} · {answer.model} · {answer.status}"


ORDERS: Final = {
    "stop-answer": Order(
        STOP_ANSWERS, gettext_lazy("Stop this answer"), _answer, _of_answer,
        lambda given: _stop(given, Generation.objects.filter(pk=given.target.pk)), "streams", is_harsh=True,
    ),
    "stop-person": Order(
        STOP_ANSWERS, gettext_lazy("Stop all answers of this person"), _person,
        lambda person: f"{person}: {_count(site_now.live_answers(user_id=person.pk))}",
        lambda given: _stop(given, site_now.live_answers(user_id=given.target.pk)), "streams", is_harsh=True,
    ),
    "stop-lane": Order(
        STOP_ANSWERS, gettext_lazy("Stop all answers of this lane"), _lane,
        lambda lane: f"{_titled(lane)}: {_count(site_now.live_answers(lane=lane.pk))}",
        lambda given: _stop(given, site_now.live_answers(lane=given.target.pk)), "lanes", is_harsh=True,
    ),
    "repeat-answer": Order(
        STOP_ANSWERS, gettext_lazy("Ask again"), _answer, _of_answer, _repeat, "streams",
    ),
    "read-answer": Order(
        VIEW_TEXT, gettext_lazy("Read along"), _answer, _of_answer, _read, "streams",
    ),
    "pause-lane": Order(
        CHANGE_LIMITS, gettext_lazy("Pause this lane"), _lane,
        lambda lane: _("%(lane)s: nothing starts. What runs goes on; new questions wait.") % {"lane": _titled(lane)},
        _hold("pause", gettext_lazy("The lane is paused.")), "lanes", asks_minutes=True,
    ),
    "drain-lane": Order(
        CHANGE_LIMITS, gettext_lazy("Drain this lane"), _lane,
        lambda lane: _("%(lane)s: nothing starts, and new questions are refused. What runs goes on; who waits keeps "
                       "the place.") % {"lane": _titled(lane)},
        _hold("drain", gettext_lazy("The lane is drained.")), "lanes", is_harsh=True,
    ),
    "resume-lane": Order(
        CHANGE_LIMITS, gettext_lazy("Resume this lane"), _lane,
        lambda lane: _("%(lane)s: who waits may start.") % {"lane": _titled(lane)}, _release, "lanes",
    ),
    "drain-worker": Order(
        CHANGE_LIMITS, gettext_lazy("Drain this worker"), _worker,
        lambda worker: _("%(worker)s takes up nothing new until it is resumed or restarted. What runs there goes on.")
        % {"worker": worker},
        _worker_order("rest", "Drained", gettext_lazy("The worker takes up nothing new.")), "workers", is_harsh=True,
    ),
    "resume-worker": Order(
        CHANGE_LIMITS, gettext_lazy("Resume this worker"), _worker, lambda worker: str(worker),
        _worker_order("work", "Resumed", gettext_lazy("The worker works again.")), "workers",
    ),
}  # fmt: skip


def page_of(order: Order) -> str:
    return reverse(f"operations:{order.page}")
