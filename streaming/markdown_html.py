"""One finished piece of Markdown as HTML that may be shown to anybody. Pure.

Three walls: markdown-it neither passes HTML on nor accepts links of other schemes; our rules render images as links and
name the host of each link; nh3 lets nothing pass that `TAGS` and `ATTRIBUTES` do not name. Text is never lost: what
cannot be rendered within the limits is None, and is then shown as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import reference as definition
from markdown_it.rules_core import StateCore, linkify, text_join
from markdown_it.rules_core import inline as parse_inlines
from markdown_it.token import Token

from streaming.highlighting import CLASSES, highlight

RENDERER_VERSION: Final = 2
"""To be raised whenever the same source gives other HTML: rows of older versions are rendered again."""

BLOCK_MAX_CHARS: Final = 32_768
CODE_MAX_CHARS: Final = 131_072
#: Characters that start something in a line cost about ten times as much as others.
MARKS_MAX: Final = 2_000
CELLS_MAX: Final = 2_000
HTML_MAX_BYTES: Final = 56_000
"""As JSON: with its envelope a frame must stay below 64 KiB."""
NESTING_MAX: Final = 24

SCHEMES: Final = frozenset({"http", "https", "mailto"})
LINK_REL: Final = "noopener noreferrer nofollow"
_TAG_NAMES: Final = "a blockquote br code div em h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th thead tr ul"
TAGS: Final = frozenset(_TAG_NAMES.split())
ATTRIBUTES: Final[dict[str, frozenset[str]]] = {
    "a": frozenset({"href", "rel", "target"}),
    **dict.fromkeys(("h3", "h4", "h5", "h6"), frozenset({"data-level"})),
    "ol": frozenset({"start"}),
    "pre": frozenset({"tabindex", "data-language"}),
    "th": frozenset({"scope"}),
}
CLASSES_OF: Final[dict[str, frozenset[str]]] = {
    "span": CLASSES | {"link-host"},
    "div": frozenset({"table"}),
    "td": frozenset({"align-left", "align-center", "align-right"}),
    "th": frozenset({"align-left", "align-center", "align-right"}),
}
_ADDRESS: Final = re.compile(r"https?://[^/?#]|mailto:[^?]", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"[a-z0-9+-]{1,20}")
_MARKS: Final = re.compile(r"[\[\]!*_~`<&\\|]")
_ESCAPED_IN_JSON: Final = re.compile(r'["\\\n\t]')
#: The page's own headings: its title, and who wrote the answer.
_LEVELS_OF_THE_PAGE: Final = 2
_HEADING: Final = re.compile(r'<h[3-6] data-level="([1-6])">')

References = dict[str, Any]
Outline = tuple[int, ...]
"""The headings under which a line stands, from the outermost: their levels as the answer writes them."""


def _may_link(url: str) -> bool:
    """Absolute addresses of known schemes: a relative one would lead into our own site."""
    return _ADDRESS.match(url) is not None


def _define(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Link definitions; but `[^1]: text` is somebody's footnote, whose text must not vanish."""
    if state.src.startswith("[^", state.bMarks[first] + state.tShift[first]):
        return False
    return definition(state, first, last, silent)


class _Renderer(RendererHTML):
    """HTML without anything that depends on a language or on the page around it."""

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        word = token.info.strip().split(maxsplit=1)[:1]
        language = word[0].lower() if word and _LANGUAGE.fullmatch(word[0].lower()) else ""
        colourful = highlight(token.content, language) if language and not env.get("plain_code") else None
        return _code(token.content if colourful is None else colourful, language, is_html=colourful is not None)

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return _code(tokens[idx].content, "", is_html=False)

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A link: an image that a browser fetches by itself can carry anything out."""
        token = tokens[idx]
        address = str(token.attrs.get("src", ""))
        alt = self.renderInlineAsText(token.children or (), options, env).strip()
        # Within a link of its own it can only be text: links do not contain links.
        if _is_within_link(tokens, idx):
            return escapeHtml(alt or address)
        return f'<a href="{escapeHtml(address)}">{escapeHtml(alt or address)}{_host(address, alt or address)}</a>'

    def link_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        opening = next(at for at in range(idx - 1, -1, -1) if tokens[at].type == "link_open")
        shown = "".join(token.content for token in tokens[opening + 1 : idx])
        return f"{_host(str(tokens[opening].attrs.get('href', '')), shown)}</a>"

    def heading_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        level = int(tokens[idx].tag.removeprefix("h"))
        env["outline"] = _under(env["outline"], level)
        return f'<{_tag(env["outline"])} data-level="{level}">'

    def heading_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"</{_tag(env['outline'])}>\n"

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f'<th scope="col"{_alignment(tokens[idx])}>'

    def td_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<td{_alignment(tokens[idx])}>"


def _under(outline: Outline, level: int) -> Outline:
    return (*(outer for outer in outline if outer < level), level)


def _tag(outline: Outline) -> str:
    """Of the heading that was last. Models often begin with the second or third level; a page may skip none."""
    return f"h{min(_LEVELS_OF_THE_PAGE + len(outline), 6)}"


def outline_after(html: str, outline: Outline) -> Outline:
    """Under which headings stands what follows this block?"""
    for level in _HEADING.findall(html) if "<h" in html else ():
        outline = _under(outline, int(level))
    return outline


def _is_within_link(tokens: Sequence[Token], idx: int) -> bool:
    """Links do not nest: the nearest mark before it says it. Not slower than linear, hundreds stand in one line."""
    before = (tokens[at].type for at in range(idx - 1, -1, -1))
    return next((kind for kind in before if kind in ("link_open", "link_close")), "") == "link_open"


def _code(content: str, language: str, *, is_html: bool) -> str:
    named = f' data-language="{language}"' if language else ""
    return f'<pre tabindex="0"{named}><code>{content if is_html else escapeHtml(content)}</code></pre>\n'


def _alignment(token: Token) -> str:
    side = str(token.attrs.get("style", "")).removeprefix("text-align:")
    return f' class="align-{side}"' if side else ""


def _host(address: str, shown: str) -> str:
    """Where a link leads, unless its words are exactly that."""
    try:
        host = urlsplit(address).hostname or address.removeprefix("mailto:").partition("?")[0]
    except ValueError:
        host = address
    plain = address.partition("://")[2] or address.removeprefix("mailto:")
    if shown.rstrip("/") in {host, address.rstrip("/"), plain.rstrip("/")}:
        return ""
    return f' <span class="link-host">{escapeHtml(host)}</span>'


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("js-default", {"html": False, "linkify": True, "breaks": True, "maxNesting": NESTING_MAX})
    parser.options["typographer"] = False
    parser.validateLink = _may_link  # type: ignore[method-assign]
    parser.block.ruler.at("reference", _define)
    parser.renderer = _Renderer(parser)
    if parser.linkify is not None:  # only what says that it is an address
        parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    return parser


def parse_blocks(source: str, references: References) -> tuple[list[Token], References]:
    """The block structure of `source`, without looking into its lines; and all link definitions known by now."""
    env = {"references": dict(references)}
    tokens: list[Token] = []
    if source:
        parser = _parser()
        parser.block.parse(source, parser, env, tokens)
    return tokens, env["references"]


def render(source: str, tokens: list[Token], references: References, outline: Outline = ()) -> str | None:
    """HTML of the blocks whose tokens these are; None if that is too much. `outline`: where they stand."""
    if not _is_bearable(source, tokens):
        return None
    parser = _parser()
    env: dict[str, Any] = {"references": references}
    state = StateCore(source, parser, env, tokens)
    for step in (parse_inlines, linkify, text_join):
        step(state)
    for limits in ({}, {"plain_code": True}):
        html: str = parser.renderer.render(tokens, parser.options, env | limits | {"outline": outline})
        if len(html) <= HTML_MAX_BYTES and json_bytes(html := sanitise(html)) <= HTML_MAX_BYTES:
            return html
    return None


def _is_bearable(source: str, tokens: Sequence[Token]) -> bool:
    if max((token.level for token in tokens), default=0) >= NESTING_MAX - 1:
        return False  # what is nested deeper would be left out
    if len(tokens) == 1 and tokens[0].type in ("fence", "code_block"):
        return len(source) <= CODE_MAX_CHARS
    if len(source) > BLOCK_MAX_CHARS or sum(token.type in ("td_open", "th_open") for token in tokens) > CELLS_MAX:
        return False
    return len(_MARKS.findall(source)) <= MARKS_MAX


def json_bytes(html: str) -> int:
    """An upper bound of its size in a frame."""
    return len(html.encode()) + len(_ESCAPED_IN_JSON.findall(html))


def sanitise(html: str) -> str:
    """The last wall of the server."""
    return nh3.clean(
        html,
        tags=set(TAGS),
        attributes={tag: set(names - {"rel"}) for tag, names in ATTRIBUTES.items()},
        allowed_classes={tag: set(names) for tag, names in CLASSES_OF.items()},
        url_schemes=set(SCHEMES),
        url_relative="deny",
        link_rel=LINK_REL,
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def plain(source: str) -> str:
    """The source itself, as it was written."""
    return f'<pre tabindex="0"><code>{escapeHtml(source)}</code></pre>\n'
