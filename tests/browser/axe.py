"""What axe-core finds wrong with a page, for those who cannot see it, cannot point, or see colours differently."""

from __future__ import annotations

from typing import Any

#: WCAG 2.2 A and AA, and what axe's authors recommend beside it.
_RULES = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


#: The page has no headings of its own below the third level. An answer that begins with "##" skips one: its author's.
_OF_ANSWERS = ("<h4", "<h5", "<h6")


def violations(page: Any) -> list[str]:
    """One line per element: rule, element, what is wrong with it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=_RULES).response["violations"]
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
        if not (rule["id"] == "heading-order" and node["html"].startswith(_OF_ANSWERS))
    ]
