"""`manage.py chaos`: hits a running platform with overlapping faults and has every reader's history judged
(code: tests/reliability)."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Kills, freezes, pauses and floods a platform of its own for some minutes, and says what people suffered."
    requires_system_checks = ()  # the platform it hits has settings and a database of its own

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="the same seed is the same schedule (default: 1)")
        parser.add_argument("--minutes", type=float, default=10.0, help="at least so long (default: 10)")
        parser.add_argument("--faults", type=int, default=0, help="and at least so many faults (default: no matter)")
        parser.add_argument("--postgres", action="store_true", help="on a private PostgreSQL instead of SQLite")
        parser.add_argument("--report", type=Path, metavar="FILE", help="also write the report there")
        parser.add_argument("--histories", type=Path, metavar="FOLDER", help="keep the histories of a run that fails")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            chaos, report = (import_module(f"tests.reliability.{name}") for name in ("chaos", "chaos_report"))
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith(("tests", "psycopg")):
                raise
            raise CommandError(
                "chaos needs the tests folder and what the tests need: run it in a checkout, after "
                "`pip install -e '.[test]'`."
            ) from None
        if (file := options["report"]) is not None and not file.absolute().parent.is_dir():
            raise CommandError(f"The folder of {file} does not exist.")
        if (folder := options["histories"]) is not None:
            folder.mkdir(parents=True, exist_ok=True)
        outcome = self._run(chaos, options)
        words = [f"--{name} {options[name]:g}" for name in ("seed", "minutes", "faults")]
        command = " ".join(["manage.py chaos", *words, *(["--postgres"] if options["postgres"] else [])])
        page = "\n".join(report.lines(outcome, command, "PostgreSQL" if options["postgres"] else "SQLite"))
        self.stdout.write(page)
        if file is not None:
            file.write_text(page + "\n")
        if outcome.violations:
            raise CommandError(f"Violations: {len(outcome.violations)}.")

    def _run(self, chaos: Any, options: dict[str, Any]) -> Any:
        wanted = {name: options[name] for name in ("seed", "minutes", "faults")}
        say = self.stdout.write
        with chaos.chaos_stage(postgres=options["postgres"]) as (stage, simulator):
            return asyncio.run(chaos.run(stage, simulator, say=say, folder=options["histories"], **wanted))
