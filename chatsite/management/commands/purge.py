"""Removes for good what is kept for a while only; web processes do the same by themselves while somebody is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand

from chat import deletion, repeats


class Command(BaseCommand):
    help = (
        "Removes conversations that were deleted more than an hour ago, with every word of theirs, "
        f"and the names of commands that are older than {repeats.KEPT_FOR.days} days."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"removed: {_all(deletion.purge)}")
        self.stdout.write(f"commands forgotten: {_all(repeats.purge)}")


def _all(purge: Callable[[], int]) -> int:
    purged = 0
    while count := purge():
        purged += count
    return purged
