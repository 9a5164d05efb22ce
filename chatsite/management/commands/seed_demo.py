"""`manage.py seed_demo`: the people of the demo in the current database."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from chatsite.demo.people import seed


class Command(BaseCommand):
    help = "Makes the people of the demo (ann, bob, admin) and a conversation that ann and bob share."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--passwords", type=Path, required=True, help="JSON file: name to password")
        parser.add_argument("--reset", action="store_true", help="give people who exist these passwords too")
        parser.add_argument("--migrate", action="store_true", help="bring the database up to date first")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["migrate"]:
            call_command("migrate", verbosity=0, interactive=False)
        seed(json.loads(options["passwords"].read_text()), reset=options["reset"])
