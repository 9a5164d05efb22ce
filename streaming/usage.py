"""What the ledger says of a stretch of time, for one person's page and for the operator's report. Sync; each function
is one query over the attempts that ended in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDay, TruncMonth

from streaming.models import Attempt
from streaming.rollups import UNPRICED

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
_SUMS: Final = ("input_tokens", "output_tokens", "cached_tokens", "cost_micro")


@dataclass(frozen=True, slots=True)
class Used:
    """`key`: the values of what it is split by. `cost_micro`: of what has a known price; `unpriced` have none."""

    key: tuple[Any, ...]
    attempts: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micro: int
    unpriced: int

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
    names = ("attempts", "input_tokens", "output_tokens", "cached_tokens", "cost_micro", "unpriced")
    return Used((), *(sum(getattr(one, name) for one in used) for name in names))


def _used(attempts: QuerySet[Attempt], by: Sequence[str]) -> list[Used]:
    # Under names of their own: an annotation named as a column would stand for it in the next one.
    splits = {f"by_{name}": SPLITS[name] for name in by}
    sums: dict[str, Any] = {"n": Count("pk")}
    sums |= {f"sum_{name}": Coalesce(Sum(name), 0) for name in _SUMS}
    sums["unpriced"] = Count("pk", filter=UNPRICED)
    rows = attempts.order_by().values(**splits).annotate(**sums).order_by(*splits)
    columns = ("n", *(f"sum_{name}" for name in _SUMS), "unpriced")
    found: Any = rows.values_list(*splits, *columns)
    return [Used(tuple(row[: len(by)]), *row[len(by) :]) for row in found]
