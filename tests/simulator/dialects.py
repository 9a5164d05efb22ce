"""How the vendors spell a stream. Each function gives the bytes of whole server-sent events, without HTTP's framing."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Protocol

from tests.simulator.script import Script

CREATED = 1_790_000_000

ANTHROPIC_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
ANTHROPIC_TYPES = {
    "400": "invalid_request_error",
    "401": "authentication_error",
    "402": "billing_error",
    "403": "permission_error",
    "404": "not_found_error",
    "413": "request_too_large",
    "429": "rate_limit_error",
    "529": "overloaded_error",
    "spend": "rate_limit_error",
    "context": "invalid_request_error",
    "overloaded": "overloaded_error",
}

#: Fault → OpenAI's type and code.
OPENAI_CODES = {
    "400": ("invalid_request_error", "invalid_value"),
    "401": ("invalid_request_error", "invalid_api_key"),
    "403": ("invalid_request_error", None),
    "404": ("invalid_request_error", "model_not_found"),
    "429": ("tokens", "rate_limit_exceeded"),
    "spend": ("insufficient_quota", "insufficient_quota"),
    "context": ("invalid_request_error", "context_length_exceeded"),
    "overloaded": ("overloaded_error", "server_is_overloaded"),
}
OUTPUT = {"item_id": "msg_sim", "output_index": 0, "content_index": 0}


def event(name: str, **data: Any) -> bytes:
    """A named event whose data repeats the name, as Anthropic and responses have it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **data}).encode())


@lru_cache(maxsize=4096)
def quoted(text: str) -> bytes:
    """The text as JSON; as UTF-8 and not as escapes, like the vendors."""
    return json.dumps(text, ensure_ascii=False).encode()


class Dialect(Protocol):
    def head(self, model: str, script: Script) -> bytes: ...

    def thought(self, text: str) -> bytes: ...

    def token(self, text: str) -> bytes: ...

    def ping(self) -> bytes: ...

    def unknown(self) -> bytes: ...

    def tail(self, model: str, script: Script, sent: int) -> bytes: ...

    def error(self, fault: str, message: str) -> bytes: ...

    def refusal(self, fault: str, message: str) -> dict[str, Any]: ...


class Anthropic:
    """POST /v1/messages."""

    def head(self, model: str, script: Script) -> bytes:
        cached = {"cache_read_input_tokens": 3, "cache_creation_input_tokens": 2}
        usage = {"input_tokens": script.input - 5, **cached, "output_tokens": 1}
        message = {
            "id": "msg_sim",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "usage": usage,
        }
        start = event("message_start", message={**message, "stop_reason": None, "stop_sequence": None})
        return start + event("content_block_start", index=0, content_block={"type": "text", "text": ""}) + self.ping()

    def thought(self, text: str) -> bytes:
        return event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": text})

    def token(self, text: str) -> bytes:
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
            b'"delta":{"type":"text_delta","text":%b}}\n\n' % quoted(text)
        )

    def ping(self) -> bytes:
        return event("ping")

    def unknown(self) -> bytes:
        return event("content_block_sparkle", index=0, sparkle={"type": "nobody_knows"})

    def tail(self, model: str, script: Script, sent: int) -> bytes:
        usage = {} if script.fault == "nousage" else {"output_tokens": sent}
        delta = {"stop_reason": ANTHROPIC_REASONS[script.reason], "stop_sequence": None}
        return (
            event("content_block_stop", index=0)
            + event("message_delta", delta=delta, usage=usage)
            + event("message_stop")
        )

    def error(self, fault: str, message: str) -> bytes:
        return event("error", error=self.refusal(fault, message)["error"])

    def refusal(self, fault: str, message: str) -> dict[str, Any]:
        error: dict[str, Any] = {"type": ANTHROPIC_TYPES.get(fault, "api_error"), "message": message}
        if fault == "spend":
            error["details"] = {"error_code": "enforced_spend_limit_reached"}
        if fault == "context":
            error["message"] = f"prompt is too long: 300000 tokens > 200000 maximum {message}"
        return {"type": "error", "error": error, "request_id": "req_sim"}


class _OpenAI:
    """What both of OpenAI's dialects share: its errors."""

    def refusal(self, fault: str, message: str) -> dict[str, Any]:
        kind, code = OPENAI_CODES.get(fault, ("server_error", None))
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def ping(self) -> bytes:
        return b": keep-alive\n\n"


class Chat(_OpenAI):
    """POST /v1/chat/completions."""

    def head(self, model: str, script: Script) -> bytes:
        return self._chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])

    def thought(self, text: str) -> bytes:
        return self._chunk([{"index": 0, "delta": {"reasoning_content": text}, "finish_reason": None}])

    def token(self, text: str) -> bytes:
        return (
            b'data: {"id":"chatcmpl-sim","object":"chat.completion.chunk","created":1790000000,"model":"sim",'
            b'"choices":[{"index":0,"delta":{"content":%b},"finish_reason":null}]}\n\n' % quoted(text)
        )

    def unknown(self) -> bytes:
        return self._chunk([], sparkle={"nobody": "knows"})

    def tail(self, model: str, script: Script, sent: int) -> bytes:
        end = self._chunk([{"index": 0, "delta": {}, "finish_reason": script.reason}])
        usage = {"prompt_tokens": script.input, "completion_tokens": sent, "total_tokens": script.input + sent}
        counted = self._chunk([], usage={**usage, "prompt_tokens_details": {"cached_tokens": 3}})
        return end + (b"" if script.fault == "nousage" else counted) + b"data: [DONE]\n\n"

    def error(self, fault: str, message: str) -> bytes:
        return b"data: %b\n\n" % json.dumps(self.refusal(fault, message)).encode()

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = {"id": "chatcmpl-sim", "object": "chat.completion.chunk", "created": CREATED, "model": "sim"}
        return b"data: %b\n\n" % json.dumps({**chunk, "choices": choices, **more}).encode()


class Responses(_OpenAI):
    """POST /v1/responses."""

    def head(self, model: str, script: Script) -> bytes:
        response = self._response(model, "in_progress")
        part = {"type": "output_text", "text": "", "annotations": []}
        return (
            event("response.created", sequence_number=0, response=response)
            + event("response.in_progress", sequence_number=1, response=response)
            + event("response.content_part.added", sequence_number=2, part=part, **OUTPUT)
        )

    def thought(self, text: str) -> bytes:
        where = {"item_id": "rs_sim", "output_index": 0, "summary_index": 0}
        return event("response.reasoning_summary_text.delta", sequence_number=3, delta=text, **where)

    def token(self, text: str) -> bytes:
        return (
            b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"msg_sim",'
            b'"output_index":0,"content_index":0,"delta":%b,"sequence_number":4,"logprobs":[]}\n\n' % quoted(text)
        )

    def unknown(self) -> bytes:
        return event("response.sparkle.added", sequence_number=4, sparkle={"nobody": "knows"})

    def tail(self, model: str, script: Script, sent: int) -> bytes:
        complete = script.reason == "stop"
        response = self._response(model, "completed" if complete else "incomplete")
        if not complete:
            reason = "max_output_tokens" if script.reason == "length" else script.reason
            response["incomplete_details"] = {"reason": reason}
        if script.fault != "nousage":
            details = {"input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": {"reasoning_tokens": 0}}
            counts = {"input_tokens": script.input, "output_tokens": sent, "total_tokens": script.input + sent}
            response["usage"] = {**counts, **details}
        return event(f"response.{response['status']}", sequence_number=5, response=response)

    def error(self, fault: str, message: str) -> bytes:
        code = OPENAI_CODES.get(fault, ("server_error", None))[1] or "server_error"
        if fault == "failed":
            response = {**self._response("sim", "failed"), "error": {"code": code, "message": message}}
            return event("response.failed", sequence_number=5, response=response)
        return event("error", sequence_number=5, code=code, message=message, param=None)

    def _response(self, model: str, status: str) -> dict[str, Any]:
        about = {"id": "resp_sim", "object": "response", "created_at": CREATED, "model": model, "status": status}
        return {**about, "output": [], "error": None, "incomplete_details": None, "usage": None}


DIALECTS: dict[str, Dialect] = {
    "/v1/messages": Anthropic(),
    "/v1/chat/completions": Chat(),
    "/v1/responses": Responses(),
}
