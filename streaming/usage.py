"""What the ledger says of a stretch of time, for one person's page and for the operator's report. Sync; each function
is one query over the attempts that ended in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import F, QuerySet
from django.db.models.functions import TruncDay, TruncMonth

from streaming.models import Attempt
from streaming.rollups import SUMMED, SUMS, Summed, summed

#: What a report may be split by → the expression that does it.
SPLITS: Final[dict[str, Any]] = {
    "user": F("user__username"),
    "model": F("model"),
    "provider": F("provider"),
    "lane": F("lane"),
    "outcome": F("outcome"),
    "source": F("usage_source"),
    "day": TruncDay("ended_at", tzinfo=UTC),
    "month": TruncMonth("ended_at", tzinfo=UTC),
}


@dataclass(frozen=True, slots=True)
class Used(Summed):
    """`key`: the values of what it is split by."""

    key: tuple[Any, ...]

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def cost(self) -> str | None:
        """In dollars; None if nothing of it has a price."""
        return None if self.is_unpriced else f"{self.cost_micro / 1_000_000:,.4f}"

    @property
    def is_unpriced(self) -> bool:
        return self.unpriced > 0 and self.cost_micro == 0


def report(by: Sequence[str], since: datetime, until: datetime) -> list[Used]:
    """Of everybody, split by names of `SPLITS`, in the order of their values."""
    return _used(Attempt.objects.filter(ended_at__gte=since, ended_at__lt=until), by)


def of_person(user_id: int, since: datetime, until: datetime) -> list[Used]:
    """By model; what was used most comes first."""
    mine = Attempt.objects.filter(user_id=user_id, ended_at__gte=since, ended_at__lt=until)
    return sorted(_used(mine, ["model"]), key=lambda used: -used.tokens)


def total(used: Sequence[Used]) -> Used:
    return Used(key=(), **{name: sum(getattr(one, name) for one in used) for name in SUMMED})


def _used(attempts: QuerySet[Attempt], by: Sequence[str]) -> list[Used]:
    splits = {f"by_{name}": SPLITS[name] for name in by}
    rows: Any = attempts.order_by().values(**splits).annotate(**SUMS).order_by(*splits)
    return [Used(key=tuple(row[name] for name in splits), **summed(row)) for row in rows]
