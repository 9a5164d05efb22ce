"""`manage.py usage`: what the ledger says, for people and for spreadsheets."""

from __future__ import annotations

import csv
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from chatsite.dashboard.charts import cell
from streaming import usage

COLUMNS = ("attempts", "input_tokens", "output_tokens", "cached_tokens", "cost_usd", "unpriced")


def day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day like 2026-11-21") from None


def splits(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in usage.SPLITS]:
        raise ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(usage.SPLITS)}")
    return names


class Command(BaseCommand):
    help = "Tokens and cost of the attempts that ended in a stretch of time (UTC), from the ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--by", type=splits, default=["model"], help=f"what to split by, with commas: {', '.join(usage.SPLITS)}"
        )
        parser.add_argument("--from", dest="since", type=day, help="first day; default: the first of this month")
        parser.add_argument("--to", dest="until", type=day, help="last day, included; default: today")
        parser.add_argument("--csv", action="store_true", help="comma-separated values with a line of names")

    def handle(self, *args: Any, **options: Any) -> None:
        today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since, last = options["since"] or today.replace(day=1), options["until"] or today
        if last < since:
            raise CommandError("--to is before --from.")
        by = options["by"]
        rows = [_row(used) for used in usage.report(by, since, last + timedelta(days=1))]
        if options["csv"]:
            writer = csv.writer(self.stdout, lineterminator="\n")
            writer.writerow([*by, *COLUMNS])
            writer.writerows([*map(cell, row)] for row in rows)
        else:
            self._print([[*by, *COLUMNS], *rows], len(by))

    def _print(self, table: list[list[str]], left: int) -> None:
        widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
        for row in table:
            cells = [
                cell.ljust(width) if place < left else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.stdout.write("  ".join(cells).rstrip())


def _row(used: usage.Used) -> list[str]:
    """Unknown cost is an empty cell, not a zero."""
    key = [f"{value:%Y-%m-%d}" if isinstance(value, datetime) else str(value or "") for value in used.key]
    counts = (used.attempts, used.input_tokens, used.output_tokens, used.cached_tokens)
    cost = "" if used.is_unpriced else f"{used.cost_micro / 1_000_000:.6f}"
    return [*key, *map(str, counts), cost, str(used.unpriced)]
