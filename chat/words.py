"""The words of the page's modules in one language, as a script: theirs, and the server's sentences in frames."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.i18n import JavaScriptCatalog

from chat.sentences import SENTENCES

HOUR_S = 3600


class _Words(JavaScriptCatalog):
    def get_catalog(self) -> dict[str, Any]:
        known = {sentence: translation.gettext(sentence) for sentence in SENTENCES}
        return known | super().get_catalog()


_words = _Words.as_view(packages=["chat"])


@cache_control(max_age=HOUR_S)
def catalogue(request: HttpRequest, language: str) -> HttpResponseBase:
    """Named by its language, so that a browser may keep it. 404 for one that this site does not speak."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    with translation.override(language):
        return _words(request)
