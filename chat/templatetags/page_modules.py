"""The import map: the names under which the page's modules know each other, and the addresses of their files.

Static storages that put a hash into file names cannot rewrite `import` lines reliably; with bare names there is nothing
to rewrite.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from django import template
from django.apps import apps
from django.conf import settings
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from chat.models import UNTITLED

register = template.Library()
APPS = ("streaming", "chat")


@register.simple_tag
def import_map() -> SafeString:
    """`{"imports": {"chat/main.js": "/static/chat/js/main.js", ...}}`"""
    text = json.dumps({"imports": {name: static(path) for name, path in _modules().items()}}, indent=1)
    # As in Django's json_script: nothing in it can end the script element. Only names of our own files are in it.
    return mark_safe(text.replace("<", "\\u003C"))


@register.simple_tag
def module_addresses() -> list[str]:
    return [static(path) for path in _modules().values()]


@register.filter
def shown_title(title: str) -> str:
    """In the reader's language what a conversation is called while nobody has given it a name; as words.js does it."""
    return gettext(UNTITLED) if title == UNTITLED else title


@register.filter
def tone(person_id: object) -> int:
    """One of eight colours; a person keeps theirs. message_view.js chooses the same."""
    return person_id % 8 if isinstance(person_id, int) else 0


def _modules() -> dict[str, str]:
    return _find_modules.__wrapped__() if settings.DEBUG else _find_modules()


@lru_cache(maxsize=1)
def _find_modules() -> dict[str, str]:
    modules: dict[str, str] = {}
    for label in APPS:
        folder = Path(apps.get_app_config(label).path) / "static" / label / "js"
        modules |= {f"{label}/{file.name}": f"{label}/js/{file.name}" for file in sorted(folder.glob("*.js"))}
    return modules
