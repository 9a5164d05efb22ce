"""`manage.py doctor`: what works, what does not, and what to do about it. Exit code 1 if something is wrong."""

from __future__ import annotations

import asyncio
import inspect
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.checks import WARNING, run_checks
from django.core.management.base import BaseCommand

from chatsite.buffering import buffering
from streaming import redis_client
from streaming.diagnosis import LOOKS, Finding

WITHIN_S = 15.0
MARKS = {"ok": "ok     ", "warning": "WARNING", "error": "ERROR  "}


class Command(BaseCommand):
    help = "Asks everything that the site needs whether it works; one line and one advice per finding."
    requires_system_checks = ()  # what they find is told in our own words, beside the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default="", help="the site as people reach it: tests whether a proxy buffers")

    def handle(self, *args: Any, **options: Any) -> None:
        found = [*_settings()]
        for about, look, advice in LOOKS:
            found += _answer(about, look, advice)
        if options["url"]:
            advice = "Does the name resolve, and does a web process run behind it?"
            found += _answer("proxy", lambda: buffering(options["url"]), advice)
        for finding in found:
            self.stdout.write(f"{MARKS[finding.verdict]} {finding.about}: {finding.sentence}")
            if finding.advice:
                self.stdout.write(f"        → {finding.advice}")
        if any(finding.verdict == "error" for finding in found):
            sys.exit(1)


def _answer(about: str, look: Callable[[], Any], advice: str) -> list[Finding]:
    try:
        answer = look()
        return asyncio.run(_within(answer)) if inspect.isawaitable(answer) else answer
    except Exception as error:  # whatever it is: that is what the doctor is for
        return [Finding(about, "error", f"It does not answer ({type(error).__name__}: {error}).", advice)]


async def _within(look: Any) -> Any:
    """Each in a loop of its own, whose connections end with it."""
    try:
        async with asyncio.timeout(WITHIN_S):
            return await look
    finally:
        await redis_client.aclose()


def _settings() -> list[Finding]:
    wrong = [message for message in run_checks() if message.level >= WARNING]
    found = [
        Finding("settings", "error" if message.is_serious() else "warning", str(message.msg), str(message.hint or ""))
        for message in wrong
    ]
    return found or [Finding("settings", "ok", "The system checks find nothing.")]
