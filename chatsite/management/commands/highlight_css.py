"""`manage.py highlight_css [--write]`: the colours of code as a style sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from streaming import highlighting

STYLE_SHEET: Final = Path(settings.BASE_DIR) / "chat" / "static" / "chat" / "css" / "highlight.css"


class Command(BaseCommand):
    help = "Checks that the style sheet of code is the one made from streaming/highlighting.py; --write makes it anew."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["write"]:
            STYLE_SHEET.write_text(highlighting.css())
        elif STYLE_SHEET.read_text() != highlighting.css():
            raise CommandError("The style sheet is outdated; run: manage.py highlight_css --write")
