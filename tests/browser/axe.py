"""What axe-core finds wrong with a page, for those who cannot see it, cannot point, or see colours differently."""

from __future__ import annotations

from typing import Any

#: WCAG 2.2 A and AA, and what axe's authors recommend beside it.
_RULES = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


def violations(page: Any) -> list[str]:
    """One line per element: rule, element, what is wrong with it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=_RULES).response["violations"]
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]
