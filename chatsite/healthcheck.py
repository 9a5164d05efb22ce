"""`python -m chatsite.healthcheck web|worker`: exit code 0 if the process in this container does its work.

web: `/readyz`. worker: it became ready, its lease in Valkey is being renewed, and `/readyz` if it serves one.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import sys
from pathlib import Path

TIMEOUT_S = 4


def web_is_healthy() -> bool:
    return _is_ready(f"127.0.0.1:{os.environ.get('PORT', '8000')}")


def worker_is_healthy() -> bool:
    from redis import Redis

    if not Path(os.environ["READY_FILE"]).exists():
        return False
    if (address := os.environ.get("WORKER_PROBES", "")) and not _is_ready(address):
        return False
    with Redis.from_url(os.environ["REDIS_URL"], socket_timeout=TIMEOUT_S) as client:
        return any(client.scan_iter(match=f"worker:{socket.gethostname()}:*", count=1000))


def _is_ready(address: str) -> bool:
    host, _, port = address.rpartition(":")
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    connection = http.client.HTTPConnection(here.strip("[]"), int(port), timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK


def main(role: str) -> bool:
    try:
        return {"web": web_is_healthy, "worker": worker_is_healthy}[role]()
    except Exception as error:  # whatever it is, the answer is no, and the log of the health check says why
        print(f"{role} is not healthy: {error}", file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1]) else 1)
