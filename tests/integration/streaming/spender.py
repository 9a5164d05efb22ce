"""A process of the test that spends one budget from many threads and processes: `spender.py <user> <threads>`.

It prints how many questions of this person were accepted and how many were refused by the budget. A database that was
too busy to answer said neither, and is asked again.
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import django

django.setup()

from django.db import OperationalError, connections, transaction  # noqa: E402

from streaming import services  # noqa: E402
from streaming.errors import Refused  # noqa: E402


def ask(user_id: int) -> str:
    while True:
        try:
            with transaction.atomic():
                services.request_generation(user_id=user_id, model="demo")
            return "accepted"
        except Refused as refused:
            return refused.code
        except OperationalError:
            continue
        finally:
            connections.close_all()


if __name__ == "__main__":
    user, threads = int(sys.argv[1]), int(sys.argv[2])
    sys.stdin.readline()  # all processes begin together
    with ThreadPoolExecutor(threads) as pool:
        ended = Counter(pool.map(ask, [user] * threads))
    print(ended["accepted"], ended["budget_spent"])
