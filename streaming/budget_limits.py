"""Which budgets there are, for whom, until when, and how much of each is gone. Reads; `budgets` holds and books."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from streaming import conf
from streaming.models import SiteSpend, TokenBudget, TokenSpend
from streaming.prepared import prepared

ENDLESS: Final = 2**61
NOTICE_SHARE: Final = 0.8
"""From here on people are told that a budget comes to its end."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a day or a month, in tokens and millionths of a dollar; `key` is the period's name in the rows: "2026-11-21"
    or "2026-11". `user_id` None: everybody together."""

    user_id: int | None
    key: str
    tokens: int
    micro: int
    words: str | Promise
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one budget is gone. `unit`: "tokens" or "micro" (millionths of a dollar)."""

    limit: Limit
    unit: str
    whole: int
    used: int
    reserved: int

    @property
    def period(self) -> str:
        """ "day" or "month"."""
        return "month" if len(self.limit.key) == len("2026-11") else "day"

    @property
    def left(self) -> int:
        return max(0, self.whole - self.used - self.reserved)

    @property
    def is_site(self) -> bool:
        return self.limit.user_id is None

    @property
    def percent(self) -> int:
        """What is held counts: nobody else can have it."""
        return min(100, (self.used + self.reserved) * 100 // self.whole)

    @property
    def is_short(self) -> bool:
        return self.used + self.reserved >= NOTICE_SHARE * self.whole


def limits_of(user_id: int, at: datetime) -> list[Limit]:
    """The person's periods, then the site's; empty: nobody limits this person. If one period is limited, the other is
    counted as well."""
    own, settings = _own(user_id), conf.get()
    columns = ("tokens_per_day", "tokens_per_month", "cost_per_day", "cost_per_month")
    chosen = dict(zip(columns, own[0] if own else (None,) * 4, strict=True))
    personal = [_choice(chosen[name], getattr(settings, f"user_{name}")) for name in columns]
    whole = [_choice(None, getattr(settings, f"site_{name}")) for name in columns]
    if not any(personal) and not any(whole):
        return []
    return periods(user_id, at, personal) + (periods(None, at, whole) if any(whole) else [])


def periods(user_id: int | None, at: datetime, amounts: list[Any]) -> list[Limit]:
    """`amounts`: tokens per day and month, dollars per day and month; what is empty has no limit."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    tokens = [int(amount or ENDLESS) for amount in amounts[:2]]
    micro = [_micro(amount) if amount else ENDLESS for amount in amounts[2:]]
    return [
        Limit(user_id, f"{day:%Y-%m-%d}", tokens[0], micro[0], gettext_lazy("today"), day + timedelta(days=1)),
        Limit(user_id, f"{day:%Y-%m}", tokens[1], micro[1], gettext_lazy("this month"), next_month),
    ]


def shares_of(user_id: int) -> list[Share]:
    """How this person stands with each budget that limits them, the site's included; for pages. Three queries where
    somebody is limited, else one."""
    return _shares(limits_of(user_id, timezone.now()))


def site_shares() -> list[Share]:
    """How everybody together stands with the site's budgets; empty: it has none."""
    settings, names = conf.get(), ("tokens_per_day", "tokens_per_month", "cost_per_day", "cost_per_month")
    whole = [_choice(None, getattr(settings, f"site_{name}")) for name in names]
    return _shares(periods(None, timezone.now(), whole)) if any(whole) else []


def short_shares(shares: list[Share], tokens: int = 0, micro: int = 0) -> list[Share]:
    """Those of which people should be told that they come to their end, once `tokens` and `micro` more are held."""
    more = {"tokens": tokens, "micro": micro}
    then = [replace(share, reserved=share.reserved + more[share.unit]) for share in shares]
    return [share for share in then if share.is_short]


def _shares(limits: list[Limit]) -> list[Share]:
    spent: dict[tuple[int | None, str], Any] = {}
    for user_id in {limit.user_id for limit in limits}:
        keys = [limit.key for limit in limits if limit.user_id == user_id]
        rows: QuerySet[Any] = SiteSpend.objects.filter(period__in=keys)
        if user_id is not None:
            rows = TokenSpend.objects.filter(user_id=user_id, period__in=keys)
        spent |= {(user_id, row.period): row for row in rows}
    return [share for limit in limits for share in _of(limit, spent.get((limit.user_id, limit.key)))]


def _of(limit: Limit, spend: Any) -> list[Share]:
    tokens = (spend.used, spend.reserved) if spend else (0, 0)
    micro = (spend.used_micro, spend.reserved_micro) if spend else (0, 0)
    both = (("tokens", limit.tokens, tokens), ("micro", limit.micro, micro))
    return [Share(limit, unit, whole, *gone) for unit, whole, gone in both if whole < ENDLESS]


def _choice(own: Any, everybodys: Any) -> Any:
    """A person's own limit, else everybody's; 0: none."""
    return (everybodys if own is None else own) or None


def _micro(dollars: Any) -> int:
    return int(Decimal(str(dollars)) * 1_000_000)


@prepared
def _own(user_id: int) -> QuerySet[TokenBudget, Any]:
    columns = ("tokens_per_day", "tokens_per_month", "cost_per_day", "cost_per_month")
    return TokenBudget.objects.filter(user_id=user_id).values_list(*columns)
