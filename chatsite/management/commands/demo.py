"""`manage.py demo`: everything on this machine, with one command and nothing to install or configure."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chatsite.demo.options import DemoError, DemoOptions
from chatsite.demo.supervisor import Supervisor


class Command(BaseCommand):
    help = "Runs the whole platform on this machine: Valkey, web server, worker, SQLite, three people."
    requires_system_checks = ()  # the database is prepared in a child, which has the demo's settings and checks them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="0: any free port (default: 8000)")
        parser.add_argument("--host", default="127.0.0.1", help="an address of this machine only (default: 127.0.0.1)")
        parser.add_argument(
            "--data", type=Path, default=Path(".chatsite"), help="what is kept between runs (default: ./.chatsite)"
        )
        parser.add_argument("--workers", type=int, default=1, help="worker processes (default: 1)")
        parser.add_argument("--web", type=int, default=1, help="web processes (default: 1)")
        parser.add_argument("--concurrency", type=int, default=500, help="answers that one worker runs at once")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("host", "port", "data", "workers", "web", "concurrency")
        try:
            asyncio.run(Supervisor(DemoOptions(**{name: options[name] for name in names})).run())
        except DemoError as error:
            raise CommandError(str(error)) from None
