"""The second language is complete: every word of the pages has its translation, and the compiled form is the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parents[3]
CATALOGUES = sorted((ROOT / "chat" / "locale").glob("*/LC_MESSAGES/*.po"))
each_catalogue = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}")


def test_there_is_a_second_language() -> None:
    assert {path.stem for path in CATALOGUES} == {"django", "djangojs"}


@each_catalogue
def test_everything_is_translated_and_nothing_is_a_guess(path: Path) -> None:
    entries = polib.pofile(str(path))
    assert [entry.msgid for entry in entries if not entry.translated() or entry.fuzzy or entry.obsolete] == []


@each_catalogue
def test_a_translation_says_the_same_values(path: Path) -> None:
    wrong = []
    for entry in polib.pofile(str(path)):
        wanted = set(_PLACEHOLDER.findall(entry.msgid))
        for text in [entry.msgstr] if entry.msgstr else entry.msgstr_plural.values():
            if set(_PLACEHOLDER.findall(text)) != wanted:
                wrong.append((entry.msgid, text))
    assert wrong == []


@each_catalogue
def test_the_compiled_catalogue_is_made_from_this_one(path: Path) -> None:
    def texts(entries: polib.POFile | polib.MOFile) -> dict[str, object]:
        return {entry.msgid: entry.msgstr or entry.msgstr_plural for entry in entries}

    assert texts(polib.mofile(str(path.with_suffix(".mo")))) == texts(polib.pofile(str(path)))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Catalogues made anew from a copy of the sources, by the command that the README names."""
    if shutil.which("xgettext") is None:
        reason = "xgettext (Debian: gettext) is not installed"
        pytest.fail(reason) if os.environ.get("CHATSITE_REQUIRE_ALL") == "1" else pytest.skip(reason)
    copy = tmp_path_factory.mktemp("sources")
    for name in ("chat", "chatsite", "streaming", "templates"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.mo", "*.po", "__pycache__"))
    shutil.copy(ROOT / "manage.py", copy)
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "chatsite.settings"}
    for domain in ("django", "djangojs"):
        command = [sys.executable, "manage.py", "makemessages", "--locale", "de", "--domain", domain]
        ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, ended.stderr
    return copy / "chat" / "locale" / "de" / "LC_MESSAGES"


@pytest.mark.parametrize("domain", ["django", "djangojs"])
def test_no_word_of_the_sources_is_missing_and_none_is_left_over(found: Path, domain: str) -> None:
    ours = {entry.msgid for entry in polib.pofile(str(ROOT / f"chat/locale/de/LC_MESSAGES/{domain}.po"))}
    assert {entry.msgid for entry in polib.pofile(str(found / f"{domain}.po"))} == ours
