"""Settings of the tests: a file database (threads and processes share it), a Valkey of their own, fast hashes."""

import os
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="chatsite-tests-"))
VALKEY_SOCKET = FOLDER / "valkey.sock"

os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ["REDIS_URL"] = f"unix://{VALKEY_SOCKET}"
os.environ["CELERY_BROKER_URL"] = f"redis+socket://{VALKEY_SOCKET}"
os.environ["SERVE_STATIC_FROM_APPS"] = "1"
os.environ.setdefault("TITLE_MODEL", "off")  # a second generation after a first answer, only where it is the story

from chatsite.settings import *  # noqa: E402, F403
from chatsite.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(FOLDER / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["timeout"] = 60  # of a lock: many threads at once on a slow machine
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
