"""django-ninja, told our rules: strict JSON, our errors, operations by name."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from chat.access import NotFound
from chat.api import conf, faults
from chat.api.errors import OPENAI_PATHS, Invalid
from chat.api.openapi import name_errors
from chat.api.responses import error_response
from chat.strict_json import BadJson, parse_object
from streaming.errors import Refused, StreamingError

DEPTH_MAX: Final = 32


class StrictParser(Parser):
    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        return parse_object(request.body.decode(), max_bytes=conf.get().body_max_bytes, depth=DEPTH_MAX)


class DocumentedApi(NinjaAPI):
    error_type = "application/problem+json"

    def get_openapi_schema(self, **options: Any) -> Any:
        return name_errors(super().get_openapi_schema(**options), self.error_type)


def make_api(**options: Any) -> DocumentedApi:
    api = DocumentedApi(parser=StrictParser(), docs_url="/docs", **options)
    for kind, handler in _HANDLERS.items():
        api.add_exception_handler(kind, handler)
    return api


def _fault(request: HttpRequest, error: Exception) -> HttpResponse:
    told = faults.told_as(error)
    return error_response(request, told, 500 if told.code == faults.INTERNAL else None)


def _too_large(request: HttpRequest, error: Exception) -> HttpResponse:
    most = conf.get().body_max_bytes
    return error_response(request, Refused(f"A body has at most {most:,} bytes.", code="too_large"))


def _unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    reason = error.__cause__.message if isinstance(error.__cause__, BadJson) else "This is not valid JSON."
    return error_response(request, Refused(reason, code="invalid_json"), 400)


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The first field that is wrong, in words."""
    first = error.errors[0]
    place = [str(part) for part in first["loc"][1:]]
    if first["loc"][0] == "body" and place:  # the argument's own name says nothing to a client
        place = place[1:]
    param = ".".join(place) or None
    sentence = f"{param or 'The body'}: {first['msg']}."
    status = 400 if request.path.startswith(OPENAI_PATHS) else 422
    return error_response(request, Invalid(sentence, param=param), status)


def _nothing(request: HttpRequest, error: Http404) -> HttpResponse:
    return error_response(request, NotFound())


_HANDLERS: Final[dict[type[Exception], Any]] = {
    Exception: _fault,
    StreamingError: error_response,
    ValidationError: _invalid,
    HttpError: _unreadable,
    RequestDataTooBig: _too_large,
    Http404: _nothing,
}
