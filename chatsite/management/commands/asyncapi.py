import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from chatsite import asyncapi_doc


class Command(BaseCommand):
    help = "Prints the AsyncAPI 3 document of the WebSocket protocol, made from its classes."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, help="write it into this file instead")

    def handle(self, *args: Any, **options: Any) -> None:
        text = json.dumps(asyncapi_doc.document(), indent=2, ensure_ascii=False)
        if options["out"] is None:
            self.stdout.write(text)
        else:
            options["out"].write_text(f"{text}\n", encoding="utf-8")
