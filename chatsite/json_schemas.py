"""JSON schemas of the frames, made from the classes of both sides' frames as PROTOCOL.md's tables are."""

from __future__ import annotations

import inspect
import re
import types
from dataclasses import fields
from typing import Any, Final, get_args, get_origin, get_type_hints, is_typeddict

from chat.commands import COMMAND_TYPES, Command, rules_of
from chat.events import FRAME_TYPES
from streaming.events import EVENT_TYPES, Position

Schema = dict[str, Any]

COMMAND_ID: Final[Schema] = {
    "description": "The client's own name for this command, given back with the one answer.",
    "oneOf": [
        {"type": "integer", "minimum": -(2**53 - 1), "maximum": 2**53 - 1},
        {"type": "string", "minLength": 1, "maxLength": 64},
    ],
}
_PLAIN: Final[dict[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Position: {"type": "string", "pattern": "^[0-9]{1,15}-[0-9]{1,15}$"},
}


def command_schema(kind: type[Command]) -> Schema:
    """The server refuses fields it does not know, and takes null for one that was left out."""
    properties: Schema = {"type": {"const": kind.TYPE}} | ({"id": COMMAND_ID} if kind.ANSWERED else {})
    required = list(properties)
    for name, (rule, needed) in rules_of(kind).items():
        properties[name] = rule.schema if needed else {"oneOf": [rule.schema, {"type": "null"}]}
        required += [name] if needed else []
    return {**_described(kind), **_object(properties, required), "additionalProperties": False}


def frame_schema(kind: type[Any]) -> Schema:
    """What the server sends may get more fields within one version: they are to be ignored."""
    hints = get_type_hints(kind)
    properties: Schema = {"type": {"const": kind.TYPE}}
    required = ["type"]
    for field in fields(kind):
        if field.name == "result":  # its fields stand beside `id`: see `ok_schema`
            continue
        is_optional = field.default is None
        properties[field.name] = _schema(hints[field.name], leave_out_null=is_optional)
        required += [] if is_optional else [field.name]
    return {**_described(kind), **_object(properties, required)}


def ok_schema(kind: type[Command]) -> Schema:
    """The `ok` of one command."""
    properties: Schema = {"type": {"const": "ok"}, "id": COMMAND_ID} | dict.fromkeys(kind.RESULT, True)
    return _object(properties, list(properties))


def data_schema(kind: type[Any]) -> Schema:
    hints = get_type_hints(kind)
    about = {} if kind.__doc__ in (None, dict.__doc__) else _described(kind)
    return {**about, **_object({name: _schema(hint) for name, hint in hints.items()}, list(hints))}


def all_schemas(data: tuple[type[Any], ...]) -> dict[str, Schema]:
    """By name: each command, each frame, each `ok`, the data inside, and the envelope around."""
    frames = {name: frame_schema(kind) for name, kind in (*FRAME_TYPES.items(), *EVENT_TYPES.items())}
    commands = {kind.TYPE: command_schema(kind) for kind in COMMAND_TYPES.values()}
    answers = {f"ok.{kind.TYPE}": ok_schema(kind) for kind in COMMAND_TYPES.values() if kind.ANSWERED}
    parts = {kind.__name__: data_schema(kind) for kind in data}
    return {**commands, **frames, **answers, **parts, "envelope": _envelope(list(frames))}


def _envelope(frames: list[str]) -> Schema:
    kinds = {"discriminator": "type", "oneOf": [reference(name) for name in frames]}
    properties = {"n": {"type": "integer", "minimum": 1}, "frames": {"type": "array", "minItems": 1, "items": kinds}}
    about = "One message of the server: `n` counts from 1 on each socket; a frame whose type is not known is ignored."
    return {"description": about, **_object(properties, ["n", "frames"])}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def about(kind: type[Any]) -> str:
    return re.sub(r"\s+", " ", inspect.getdoc(kind) or "")


def _described(kind: type[Any]) -> Schema:
    return {"description": about(kind)}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required}


def _schema(hint: Any, leave_out_null: bool = False) -> Schema:
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(hint, types.UnionType) or origin is types.UnionType:
        kinds = [_schema(kind) for kind in inner if not (leave_out_null and kind is type(None))]
        return kinds[0] if len(kinds) == 1 else {"oneOf": kinds}
    if origin is list:
        return {"type": "array", "items": _schema(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(inner[1])}
    return reference(hint.__name__) if is_typeddict(hint) else _PLAIN[hint]
