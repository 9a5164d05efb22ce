from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chatsite import protocol_doc


class Command(BaseCommand):
    help = "Checks streaming/PROTOCOL.md and the golden frames against the classes; with --write, makes them anew."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help="write the tables and the golden frames")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["write"]:
            protocol_doc.write()
        elif wrong := protocol_doc.outdated():
            raise CommandError(f"not up to date: {', '.join(wrong)}; run `manage.py protocol --write`")
