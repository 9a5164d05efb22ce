"""What the OpenAPI documents say beside what the code's types say: errors of each operation, and streams."""

from __future__ import annotations

from typing import Any, Final

from chat.api.errors import TITLES
from chat.api.schemas import OpenAIProblem, Problem

#: Whatever is asked may end in one of these.
_ANYWHERE: Final = (400, 401, 403, 404, 405, 406, 409, 413, 422, 429, 500, 503)
PROBLEMS: Final[dict[int, Any]] = dict.fromkeys(_ANYWHERE, Problem)
OPENAI_PROBLEMS: Final[dict[int, Any]] = dict.fromkeys((*_ANYWHERE, 502, 504), OpenAIProblem)

_TEXT: Final = {"schema": {"type": "string"}}
#: The schema is that of one event, as readers of server-sent events see it.
_EVENTS: Final[dict[str, Any]] = {
    "schema": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "to go on after it: Last-Event-ID"},
            "event": {"type": "string"},
            "data": {"type": "string", "description": "JSON, or [DONE]"},
        },
    }
}
STREAMS: Final[dict[str, Any]] = {
    "responses": {
        200: {
            "description": "Events as streaming/PROTOCOL.md has them, until the end of the answer",
            "content": {"text/event-stream": _EVENTS, "application/x-ndjson": _TEXT, "application/jsonl": _TEXT},
        },
        204: {"description": "This stream has ended, and you have all of it"},
    }
}


def _streamed(media_type: str, kind: dict[str, Any], about: str) -> dict[str, Any]:
    return {"responses": {200: {"description": about, "content": {media_type: kind}}}}


CHAT_STREAM: Final = _streamed("text/event-stream", _EVENTS, "`stream_start`, `text`, …, then `[DONE]`")
CHAT_LINES: Final = _streamed("application/x-ndjson", _TEXT, "one event per line")


#: Beside the JSON object that django-ninja documents.
CHAT_COMPLETION: Final[dict[str, Any]] = {"responses": {200: {"content": {"text/event-stream": _EVENTS}}}}


def name_errors(document: dict[str, Any], media_type: str) -> dict[str, Any]:
    """Errors have their own media type, which django-ninja does not know, and a title."""
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and "application/json" in response.get("content", {}):
                    response["content"] = {media_type: response["content"].pop("application/json")}
                    response["description"] = TITLES.get(int(status), response.get("description", ""))
    return document
