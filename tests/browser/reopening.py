"""Ends at once what a provider's refusal closed for minutes, as an administrator may."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import urlsplit

from chatsite.demo import commands
from chatsite.demo.folder import DataFolder
from tests.acceptance.rig import BASE_DIR, Demo

_REOPEN = """
import django
django.setup()
from streaming import steering
from streaming.models import Lane
assert all([steering.apply_order(name, reopen=True) for name in Lane.objects.values_list("pk", flat=True)])
"""


def reopen_lanes(demo: Demo) -> None:
    folder, port = DataFolder(demo.data), urlsplit(demo.url).port
    assert port is not None
    env = commands.environment(folder, commands.ValkeyAddress(folder), port)
    words = [sys.executable, "-c", _REOPEN]
    env |= demo.env | {"DJANGO_SETTINGS_MODULE": "chatsite.settings"}
    run = subprocess.run(words, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
