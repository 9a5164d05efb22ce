from __future__ import annotations

import re
import time
from html import unescape

import pytest

from streaming import highlighting
from streaming.highlighting import BACKGROUNDS, HIGHLIGHT_MAX_CHARS, LANGUAGES, ROLES, css, highlight

SAMPLE = 'x = 1  # <why>\nprint("a & b")\n\n\treturn\n'


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_keeps_the_text(language: str) -> None:
    page = highlight(SAMPLE, language)
    assert page is not None
    assert unescape(re.sub(r"<[^>]+>", "", page)) == SAMPLE


def test_what_is_unknown_too_long_or_minified_is_not_coloured() -> None:
    assert highlight(SAMPLE, "klingon") is None
    assert highlight("x = 1\n" * (HIGHLIGHT_MAX_CHARS // 6 + 1), "python") is None
    assert highlight("x=1;" * 300, "js") is None


@pytest.mark.parametrize("language", ["java", "csharp", "groovy"])
def test_a_lexer_that_is_slow_on_purpose_is_left(language: str) -> None:
    before = time.thread_time()
    highlight(("a " * 450 + "\n") * 21, language)
    assert time.thread_time() - before < 4.0, "0.5 s are allowed; java alone would take 13 s"


def test_neighbours_of_one_role_share_an_element() -> None:
    assert highlight('"a" "b"', "python") == '<span class="s">"a" "b"</span>'


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.css_class)
def test_every_colour_can_be_read_in_light_and_in_dark(role: highlighting.Role) -> None:
    for colour, background in zip((role.light, role.dark), BACKGROUNDS, strict=True):
        darker, lighter = sorted((_luminance(colour), _luminance(background)))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_the_style_sheet_in_the_tree_is_the_one_that_is_made_from_these_roles() -> None:
    from chatsite.management.commands.highlight_css import STYLE_SHEET

    assert STYLE_SHEET.read_text() == css(), "run: manage.py highlight_css --write"


def test_the_backgrounds_are_those_of_the_pages() -> None:
    from chatsite.management.commands.highlight_css import STYLE_SHEET

    sunk = re.search(r"--paper-sunk: light-dark\((#\w+), (#\w+)\)", (STYLE_SHEET.parent / "foundation.css").read_text())
    assert sunk is not None
    assert sunk.groups() == BACKGROUNDS
