"""What `manage.py demo` was asked for. Everything that is wrong with it is one sentence (`DemoError`)."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

PROCESSES_MAX = 32


class DemoError(Exception):
    """Ends the demo; its text is all that people see."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    host: str
    port: int
    data: Path
    workers: int
    web: int
    #: Streams that one worker process runs at once.
    concurrency: int

    def check(self) -> None:
        if self.data == Path():
            raise DemoError("--data needs a folder of its own, not the current one: keys and passwords are kept in it.")
        if not 0 <= self.port <= 65535:
            raise DemoError(f"--port must be between 0 (any free port) and 65535, not {self.port}.")
        for name, value in (("--workers", self.workers), ("--web", self.web)):
            if not 1 <= value <= PROCESSES_MAX:
                raise DemoError(f"{name} must be between 1 and {PROCESSES_MAX}, not {value}.")
        if not 1 <= self.concurrency <= 5000:
            raise DemoError(f"--concurrency must be between 1 and 5000, not {self.concurrency}.")
        if not is_loopback(self.host):
            raise DemoError(
                f"{self.host} can be reached by other machines, and the demo's passwords are not made for that: "
                "leave --host out, or see docker-compose.yml for a real installation."
            )


def is_loopback(host: str) -> bool:
    """Only addresses that cannot mean another machine: a name other than localhost may resolve to anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """The one listening socket that all web processes share; it outlives each of them, so no connection is refused
    while one restarts."""
    address = "127.0.0.1" if host == "localhost" else host
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it. uvicorn takes the descriptor for a unix socket and would leave Nagle's algorithm
    # on, which holds small frames back for up to 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((address, port))
        listener.listen(1024)
    except PermissionError:
        listener.close()
        raise DemoError(f"Port {port} needs more rights: choose one above 1023 with --port.") from None
    except OSError as error:
        listener.close()
        raise DemoError(
            f"Port {port} on {host} cannot be used ({error.strerror}): choose another with --port, "
            "or --port 0 for any free one."
        ) from None
    return listener
