"""`manage.py bench`: measures the platform and says which of its goals hold (code: tests/bench)."""

from __future__ import annotations

from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Measures the figures that the platform must reach, each beside a baseline of the same run."
    requires_system_checks = ()  # the platform it measures has settings and a database of its own

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="which ones, as N3 N11 (default: all)")
        parser.add_argument("--quick", action="store_true", help="shortened runs, to see that they work")
        parser.add_argument("--waiting", type=int, default=0, metavar="N", help="N people wait in a lane meanwhile")
        parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            suite = import_module("tests.bench.suite")
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("tests"):
                raise
            raise CommandError(
                "bench needs the tests folder: run it in a checkout, not from an installed package."
            ) from None
        names = [name.upper() for name in options["names"]] or list(suite.BENCHMARKS)
        if unknown := [name for name in names if name not in suite.BENCHMARKS]:
            raise CommandError(f"There is no benchmark {unknown[0]}. Known: {', '.join(suite.BENCHMARKS)}.")
        if (file := options["json"]) is not None and not file.absolute().parent.is_dir():
            raise CommandError(f"The folder of {file} does not exist.")
        try:
            suite.run(
                names, quick=options["quick"], waiting=options["waiting"], json_file=file,
                say=lambda line: print(line, flush=True),
            )  # fmt: skip
        except suite.NotMeasured as error:
            raise CommandError(str(error)) from None
