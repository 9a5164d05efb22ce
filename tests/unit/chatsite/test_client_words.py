"""What the terminal's client says, where it keeps the key, and to whom it gives it."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import pytest

from chatsite.client import credentials, wait_line
from chatsite.client.credentials import Known
from chatsite.client.site import SiteError
from chatsite.client.wait_line import WaitLine, sentence

LINE = {"type": "stream.queued", "reason": "waiting", "ahead": 2, "p50_s": 22.0, "p90_s": 41.0, "why": "open"}


@pytest.mark.parametrize(
    ("frame", "since_s", "said"),
    [
        (LINE, 0, "3rd in line · about 20 s · at most 40 s"),
        (LINE, 13, "3rd in line · about 9 s · at most 30 s"),
        (LINE, 60, "3rd in line · any moment"),
        (
            {**LINE, "ahead": 0, "why": "paused", "p90_s": None},
            0,
            "1st in line · about 20 s · the provider asked us to wait",
        ),
        ({"reason": "waiting", "ahead": 11}, 0, "12th in line"),
        ({"reason": "starting"}, 0, "starting"),
        ({"reason": "retrying", "message": "It was overloaded", "retry_in_s": 8.0}, 2, "It was overloaded · in 6 s"),
        ({"reason": "of a later server"}, 0, "of a later server"),
        ({**LINE, "p50_s": 240.0, "p90_s": 400.0}, 0, "3rd in line · about 4 min · at most 7 min"),
    ],
)
def test_a_wait_is_told_as_precisely_as_it_is_known(frame: dict[str, Any], since_s: float, said: str) -> None:
    assert sentence(frame, since_s) == said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_is_rewritten_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_line, "_EVERY_S", 0.001)
    clock, output = iter(range(1000)), Terminal()
    line = WaitLine(output, now=lambda: float(next(clock)))
    line.tell(LINE)
    while "any moment" not in output.getvalue():
        pass  # the clock above moves with each look
    line.close()
    lines = output.getvalue().split("\r\x1b[K")
    assert lines[1] == "3rd in line · about 20 s · at most 40 s"
    assert (lines[-2].split(" · at")[0], lines[-1]) == ("3rd in line · any moment", "")
    assert "\n" not in output.getvalue()


def test_elsewhere_each_change_is_a_line() -> None:
    output = io.StringIO()
    line = WaitLine(output, now=lambda: 0.0)
    for frame in (LINE, LINE, {**LINE, "ahead": 0}, None):
        line.tell(frame)
    line.close()
    assert output.getvalue() == ("3rd in line · about 20 s · at most 40 s\n1st in line · about 20 s · at most 40 s\n")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("CHATSITE_KEY", "CHATSITE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_key_is_kept_for_its_owner_only_and_forgotten(home: Path) -> None:
    place = credentials.store(Known("http://one", "key-1"))
    credentials.store(Known("http://one", "key-2"))
    assert place.is_relative_to(home)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert [file.name for file in place.parent.iterdir()] == [place.name]
    assert credentials.site() == credentials.site("http://one/")
    assert credentials.site().key == "key-2"
    credentials.forget()
    credentials.forget()
    with pytest.raises(SiteError, match="login"):
        credentials.site()


def test_a_stored_key_is_given_to_no_other_site(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.store(Known("http://one", "key-1"))
    with pytest.raises(SiteError, match="No key for http://two"):
        credentials.site("http://two")
    monkeypatch.setenv("CHATSITE_URL", "http://two")
    with pytest.raises(SiteError, match="No key for http://two"):
        credentials.site()
    monkeypatch.setenv("CHATSITE_KEY", "key-2")
    assert (credentials.site().address, credentials.site().key) == ("http://two", "key-2")


@pytest.mark.parametrize("content", ["", "[]", "{}", "\0"])
def test_a_file_that_is_no_key_is_as_none(home: Path, content: str) -> None:
    credentials.file().parent.mkdir(parents=True)
    credentials.file().write_text(content)
    assert credentials.stored() is None
