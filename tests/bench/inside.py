"""`python -m tests.bench.inside seed` (or another one that serves): a helper with the site's settings and database."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.site_settings")
    django.setup()
    import_module(f"tests.bench.{sys.argv[1]}").serve()
