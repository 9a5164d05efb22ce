#!/usr/bin/env python
"""Django's command line: `demo` runs everything on this machine, `bench` measures it."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed here. Create an environment first:\n"
            "  python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/python manage.py demo"
        ) from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # nobody who pressed Ctrl-C wants to read where it was
        raise SystemExit(130) from None
