"""The AsyncAPI 3 document of the WebSocket protocol, made from the same classes as streaming/PROTOCOL.md."""

from __future__ import annotations

import json
from typing import Any, Final

from chat.commands import COMMAND_TYPES, Command
from chatsite import protocol_doc
from chatsite.json_schemas import about, all_schemas, reference
from streaming.events import PROTOCOL_VERSION

Part = dict[str, Any]

_ABOUT: Final = (
    "One socket per tab or program, JSON text in both directions. Clients send single commands; the server sends "
    "envelopes with one or more frames. Flow control, heartbeats, positions, resuming, guarantees and close codes are "
    "described in streaming/PROTOCOL.md."
)
_CHANNEL: Final = {"$ref": "#/channels/socket"}


def document() -> Part:
    examples = {name.removesuffix(".json"): json.loads(text) for name, text in protocol_doc.golden_frames().items()}
    messages = {kind.TYPE: _message(kind.TYPE, about(kind), [examples[kind.TYPE]]) for kind in COMMAND_TYPES.values()}
    frames = [frame for name, frame in examples.items() if name not in COMMAND_TYPES]
    envelopes = [{"n": number, "frames": [frame]} for number, frame in enumerate(frames, 1)]
    messages["envelope"] = _message("envelope", "Frames of the server, in the order in which they happened.", envelopes)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "chat.v1", "version": f"{PROTOCOL_VERSION}.0.0", "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": {"site": _server()},
        "channels": {"socket": _channel(list(messages))},
        "operations": {**{kind.TYPE: _command(kind) for kind in COMMAND_TYPES.values()}, "deliver": _deliver()},
        "components": {
            "messages": messages,
            "schemas": all_schemas(protocol_doc.DATA),
            "securitySchemes": {"session": _session()},
        },
    }


def _server() -> Part:
    return {
        "host": "localhost:8000",
        "protocol": "ws",
        "description": "The address of `manage.py demo`; behind TLS it is `wss`.",
        "security": [{"$ref": "#/components/securitySchemes/session"}],
    }


def _session() -> Part:
    return {"type": "httpApiKey", "in": "cookie", "name": "sessionid", "description": "The session of a login."}


def _channel(messages: list[str]) -> Part:
    headers = {
        "type": "object",
        "required": ["Origin", "Sec-WebSocket-Protocol"],
        "properties": {
            "Origin": {"type": "string", "description": "One of the site's; scheme, host and port must be equal."},
            "Sec-WebSocket-Protocol": {"const": "chat.v1"},
        },
    }
    return {
        "address": "/ws/v1/",
        "description": "The first frame is `hello`.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"ws": {"method": "GET", "headers": headers, "bindingVersion": "0.1.0"}},
    }


def _message(name: str, summary: str, payloads: list[Part]) -> Part:
    return {
        "name": name,
        "summary": summary,
        "payload": reference(name),
        "examples": [{"payload": payload} for payload in payloads],
    }


def _in_channel(name: str) -> Part:
    return {"$ref": f"#/channels/socket/messages/{name}"}


def _command(kind: type[Command]) -> Part:
    operation: Part = {
        "action": "receive",
        "channel": _CHANNEL,
        "summary": about(kind),
        "messages": [_in_channel(kind.TYPE)],
    }
    if not kind.ANSWERED:
        return operation
    answer = f"Answered by one frame with the command's `id`: `error`, or `ok` (schema `ok.{kind.TYPE}`)."
    return {
        **operation,
        "description": answer,
        "reply": {"channel": _CHANNEL, "messages": [_in_channel("envelope")]},
    }


def _deliver() -> Part:
    return {
        "action": "send",
        "channel": _CHANNEL,
        "summary": "Everything that the server says.",
        "messages": [_in_channel("envelope")],
    }
