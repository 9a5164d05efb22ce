"""Removes deleted conversations for good; web processes do the same by themselves while anybody is connected."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from chat import deletion


class Command(BaseCommand):
    help = "Removes conversations that were deleted more than an hour ago, with every word of theirs."

    def handle(self, *args: Any, **options: Any) -> None:
        purged = 0
        while count := deletion.purge():
            purged += count
        self.stdout.write(f"removed: {purged}")
