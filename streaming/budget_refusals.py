"""What people are told when a budget refuses a question: how much is left, what it would need, when there is more.

Whole sentences for each case, none put together from words: each can be said in any language (`chat/sentences.py`).
Tokens are numbers, which pages write as their readers do; money and spans of time look the same everywhere.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone

from streaming.budget_limits import Share
from streaming.errors import Refused, Sentence

#: By whose budget it is, its unit, and its period.
LEFT: Final = {
    ("own", "tokens", "day"): "Of your %(whole)s tokens for today, %(left)s are left.",
    ("own", "tokens", "month"): "Of your %(whole)s tokens for this month, %(left)s are left.",
    ("own", "micro", "day"): "Of your %(whole)s for today, %(left)s are left.",
    ("own", "micro", "month"): "Of your %(whole)s for this month, %(left)s are left.",
    ("site", "tokens", "day"): (
        "Of the %(whole)s tokens that everybody here together has for today, %(left)s are left."
    ),
    ("site", "tokens", "month"): (
        "Of the %(whole)s tokens that everybody here together has for this month, %(left)s are left."
    ),
    ("site", "micro", "day"): "Of the %(whole)s that everybody here together has for today, %(left)s are left.",
    ("site", "micro", "month"): "Of the %(whole)s that everybody here together has for this month, %(left)s are left.",
}
NEVER: Final = {
    ("own", "day"): "This question may use up to %(asked)s, but your whole budget for today is %(whole)s.",
    ("own", "month"): "This question may use up to %(asked)s, but your whole budget for this month is %(whole)s.",
    ("site", "day"): (
        "This question may use up to %(asked)s, but the whole budget of everybody here together for today is %(whole)s."
    ),
    ("site", "month"): (
        "This question may use up to %(asked)s, but the whole budget of everybody here together for this month is "
        "%(whole)s."
    ),
}
ASK_LESS: Final = "Ask something shorter or another model."
HELD: Final = "%(held)s are held for answers that have not ended."
ASKED: Final = "This question may use up to %(asked)s."
MORE_TODAY: Final = "There is more at 00:00 UTC, in %(span)s."
MORE_NEXT_MONTH: Final = "There is more on the first of next month, 00:00 UTC, in %(span)s."
MORE_IN_DAYS: Final = "There is more on the first of next month, 00:00 UTC, in %(days)s days."


def refusal(share: Share, asked: int) -> Refused:
    """Why a question that may use `asked` of what this budget limits is not accepted now."""
    whose, code = ("site", "site_budget_spent") if share.is_site else ("own", "budget_spent")
    words = {"asked": _told(share, asked), "whole": _told(share, share.whole)}
    if asked > share.whole:
        return Refused([Sentence(NEVER[whose, share.period], words), Sentence(ASK_LESS, {})], code=code)
    wait = max(timedelta(seconds=1), share.limit.ends_at - timezone.now())
    left = {"whole": words["whole"], "left": _told(share, share.left)}
    sentences = [Sentence(LEFT[whose, share.unit, share.period], left)]
    if share.reserved:
        sentences.append(Sentence(HELD, {"held": _told(share, share.reserved)}))
    sentences += [Sentence(ASKED, {"asked": words["asked"]}), _more(share.period, wait)]
    return Refused(sentences, code=code, retryable=True, retry_after_s=wait.total_seconds())


def _told(share: Share, amount: int) -> int | str:
    return f"${amount / 1_000_000:,.2f}" if share.unit == "micro" else amount


def _more(period: str, wait: timedelta) -> Sentence:
    if wait >= timedelta(days=2):
        return Sentence(MORE_IN_DAYS, {"days": wait.days})
    minutes = -(-int(wait.total_seconds()) // 60)
    span = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return Sentence(MORE_TODAY if period == "day" else MORE_NEXT_MONTH, {"span": span})
