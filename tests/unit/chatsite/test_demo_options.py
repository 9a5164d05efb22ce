"""What `manage.py demo` may be asked for."""

from __future__ import annotations

import dataclasses
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from chatsite.demo.options import DemoError, DemoOptions, is_loopback, listen

GOOD = DemoOptions(host="127.0.0.1", port=8000, data=Path("data"), workers=1, web=1, concurrency=500)


def test_the_defaults_pass() -> None:
    GOOD.check()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"port": -1}, "--port must be between 0"),
        ({"port": 65536}, "--port must be between 0"),
        ({"workers": 0}, "--workers must be between 1"),
        ({"workers": 33}, "--workers must be between 1"),
        ({"web": 0}, "--web must be between 1"),
        ({"web": 1000}, "--web must be between 1"),
        ({"concurrency": 0}, "--concurrency must be between 1"),
        ({"host": "0.0.0.0"}, "0.0.0.0 can be reached by other machines"),
        ({"host": "example.org"}, "example.org can be reached by other machines"),
        # What an unset variable of a shell becomes: keys would lie in the repository.
        ({"data": Path("")}, "--data"),
        ({"data": Path("./.")}, "--data"),
    ],
)
def test_whatever_cannot_be_is_refused_in_a_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DemoError, match=re.escape(words)) as refused:
        dataclasses.replace(GOOD, **change).check()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("myhost", False), ("localhost.example.org", False), ("", False)],
)  # fmt: skip
def test_only_addresses_of_this_machine_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_free_port_is_found_and_a_taken_one_refused() -> None:
    with listen("localhost", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(DemoError, match=f"Port {port} on localhost cannot be used"):
            listen("localhost", port)


def test_it_listens_on_ipv6_too() -> None:
    with listen("::1", 0) as listener:
        assert listener.family == socket.AF_INET6
