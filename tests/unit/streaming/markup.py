"""An independent judge of HTML: the standard library's parser, and what an answer's HTML may consist of."""

from __future__ import annotations

from html.parser import HTMLParser

PLAIN_TAGS = "blockquote br code em hr li p s strong table tbody thead tr ul"
ALLOWED: dict[str, set[str]] = {
    "a": {"href", "rel", "target"},
    **{f"h{level}": {"data-level"} for level in (3, 4, 5, 6)},
    "ol": {"start"},
    "pre": {"tabindex", "data-language"},
    "th": {"scope", "class"},
    "td": {"class"},
    "div": {"class"},
    "span": {"class"},
    **{tag: set() for tag in PLAIN_TAGS.split()},
}
SCHEMES = ("http://", "https://", "mailto:")


class Judge(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.complaints: list[str] = []
        self.text: list[str] = []
        self.links: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.complaints.append(f"<{tag}>")
            return
        self.complaints += [f"{tag} {name}" for name, _ in attrs if name not in ALLOWED[tag]]
        if tag == "a":
            self.links.append(dict(attrs))
            self._judge_link(dict(attrs))

    def _judge_link(self, attributes: dict[str, str | None]) -> None:
        if not (attributes.get("href") or "").startswith(SCHEMES):
            self.complaints.append(f"href {attributes.get('href')}")
        if attributes.get("rel") != "noopener noreferrer nofollow" or attributes.get("target") != "_blank":
            self.complaints.append("a link that is not cut off")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.complaints.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.complaints.append(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        self.complaints.append(f"instruction {data}")


def judge(html: str) -> Judge:
    """Read it; fails if there is anything that may not be there."""
    reader = Judge()
    reader.feed(html)
    reader.close()
    assert reader.complaints == [], html
    return reader
