"""`/api/v1/usage`: what one's own questions used, of the ledger's lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from django.db.models import Count, Sum
from django.http import HttpRequest
from ninja import Query, Router

from chat.api.bearer import KeyAuth, key_of
from chat.api.models import Scope
from chat.api.openapi import PROBLEMS
from chat.api.schemas import ModelUse, Use
from chat.selectors import moment
from streaming import database
from streaming.models import Attempt

router = Router(tags=["Usage"])
Days = Annotated[int, Query(ge=1, le=92, description="how far back, in days")]


@router.get("", auth=KeyAuth(Scope.READ), operation_id="get_usage", response={200: Use, **PROBLEMS})
async def get_usage(request: HttpRequest, days: Days = 30) -> Use:
    """Tokens and cost of the answers you asked for, by model. Cost is null where a price is not known."""
    return await database.call(_use, key_of(request).user_id, datetime.now(UTC) - timedelta(days=days))


def _use(user_id: int, since: datetime) -> Use:
    lines = Attempt.objects.filter(generation__user_id=user_id, started_at__gte=since).order_by()
    sums = lines.values("model").annotate(
        attempts=Count("pk"),
        priced=Count("cost_micro"),
        input_tokens=Sum("input_tokens"),
        output_tokens=Sum("output_tokens"),
        cached_tokens=Sum("cached_tokens"),
        cost_micro=Sum("cost_micro"),
    )
    return Use(since=moment(since), models=[_model(row) for row in sums.order_by("model")])


def _model(row: Any) -> ModelUse:
    known = row["priced"] == row["attempts"] and row["cost_micro"] is not None
    return ModelUse(
        model=str(row["model"]),
        requests=row["attempts"] or 0,
        input_tokens=row["input_tokens"] or 0,
        output_tokens=row["output_tokens"] or 0,
        cached_tokens=row["cached_tokens"] or 0,
        cost_usd=(row["cost_micro"] or 0) / 1_000_000 if known else None,
    )
