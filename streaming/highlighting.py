"""Code in colours: pygments finds the tokens, we give each its role's class, and one style sheet colours the roles.

No inline styles, because the site's content security policy allows none. Only languages of `LANGUAGES`: a lexer that
nobody has looked at may be slow on purpose.
"""

from __future__ import annotations

import time
from functools import lru_cache
from html import escape
from typing import Any, Final, NamedTuple

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token

HIGHLIGHT_MAX_CHARS: Final = 20_000
"""About 0.1 s of a thread; what is longer is shown in one colour."""
LINE_MAX_CHARS: Final = 1_000
"""Minified code: nobody reads it, and some expressions of lexers are quadratic in the length of a line."""
DEADLINE_S: Final = 0.5
"""Of the thread's own time: `a a a …` in Java looks like a declaration from every word on, and would take 13 s."""
_LANGUAGE_NAMES: Final = """
bash c c++ cpp csharp css diff django docker dockerfile go graphql groovy haskell html http ini java javascript js json
jsx julia kotlin less lua make makefile nginx ocaml perl php postgresql powershell py python python3 r rb rs ruby rust
sass scala scss sh shell sql swift tcl terraform toml ts tsx typescript vim xml yaml yml zig zsh
"""
LANGUAGES: Final = frozenset(_LANGUAGE_NAMES.split())
_ALIASES: Final = {"jsx": "javascript", "tsx": "typescript", "django": "html+django"}


class Role(NamedTuple):
    """Kinds of tokens that look alike: their class, kinds, and colour in light and in dark."""

    css_class: str
    kinds: tuple[Any, ...]
    light: str
    dark: str


#: At least 4.5:1 on the backgrounds below: a test measures it.
ROLES: Final = (
    Role("c", (Token.Comment, Token.Generic.Output), "#5c6269", "#a0a8b0"),
    Role("k", (Token.Keyword, Token.Operator.Word, Token.Name.Tag), "#8b2a8c", "#dca6f0"),
    Role("s", (Token.Literal.String, Token.Generic.Inserted), "#2c6416", "#a8d48a"),
    Role("m", (Token.Literal.Number, Token.Keyword.Constant, Token.Literal.Date), "#8f4a00", "#f2b87c"),
    Role(
        "f", (Token.Name.Function, Token.Name.Class, Token.Name.Decorator, Token.Generic.Heading), "#1c55a5", "#93c0f7"
    ),
    Role("b", (Token.Name.Builtin, Token.Name.Attribute, Token.Name.Constant), "#0f6466", "#7fd1cf"),
    Role("d", (Token.Error, Token.Generic.Deleted, Token.Generic.Error), "#a32a22", "#ff9c92"),
)
BACKGROUNDS: Final = ("#f3f1ed", "#101214")
"""`--paper-sunk` of the pages in light and dark."""
CLASSES: Final = frozenset(role.css_class for role in ROLES)

_CLASS_OF: Final = {kind: role.css_class for role in ROLES for kind in role.kinds}
_HEAD: Final = """\
/* Colours of code. Made by `manage.py highlight_css --write` from streaming/highlighting.py; do not edit. */
"""


def highlight(code: str, language: str) -> str | None:
    """HTML with classes, or None if this is not to be highlighted."""
    if language not in LANGUAGES or len(code) > HIGHLIGHT_MAX_CHARS:
        return None
    if max(map(len, code.split("\n"))) > LINE_MAX_CHARS:
        return None
    runs = _runs(code, language)
    return None if runs is None else "".join(runs)


def _runs(code: str, language: str) -> list[str] | None:
    """Neighbours of one role share an element; white space needs none. None if it takes too long."""
    parts: list[str] = []
    current, held = "", ""
    until = time.thread_time() + DEADLINE_S
    for _, kind, text in _lexer(language).get_tokens_unprocessed(code):
        if time.thread_time() > until:
            return None
        css_class = current if text.isspace() else _class_of(kind)
        if css_class != current:
            parts.append(_run(current, held))
            current, held = css_class, ""
        held += text
    return [*parts, _run(current, held)]


def _run(css_class: str, text: str) -> str:
    return f'<span class="{css_class}">{escape(text, quote=False)}</span>' if css_class else escape(text, quote=False)


@lru_cache(maxsize=len(LANGUAGES))
def _lexer(language: str) -> Lexer:
    return get_lexer_by_name(_ALIASES.get(language, language))


@lru_cache(maxsize=1024)
def _class_of(kind: Any) -> str:
    """The class of the nearest kind above that has one."""
    while kind is not None:
        if kind in _CLASS_OF:
            return _CLASS_OF[kind]
        kind = kind.parent
    return ""


def css() -> str:
    """The whole style sheet."""
    return _HEAD + "".join(
        f"\n.message-text code .{role.css_class} {{\n  color: light-dark({role.light}, {role.dark});\n}}\n"
        for role in ROLES
    )
