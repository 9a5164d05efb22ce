"""The tables of streaming/PROTOCOL.md and the golden frames, made from the classes themselves."""

from __future__ import annotations

import inspect
import json
import re
import types
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints, is_typeddict

from django.conf import settings

from chat import events as chat_events
from chat.commands import COMMAND_TYPES, Command, rules_of
from streaming import events as stream_events
from streaming.events import Position

DOCUMENT: Final = Path(settings.BASE_DIR) / "streaming" / "PROTOCOL.md"
GOLDEN_FRAMES: Final = Path(settings.BASE_DIR) / "tests" / "fixtures" / "protocol"

DATA: Final = (
    chat_events.SentenceData,
    chat_events.PersonData,
    chat_events.ParticipantData,
    chat_events.MessageData,
    chat_events.GenerationData,
    chat_events.ToldData,
    chat_events.SummaryData,
    chat_events.LimitsData,
    chat_events.StreamHead,
    chat_events.RevisionData,
    stream_events.BlockData,
    chat_events.ListEntryData,
    chat_events.ListHeadData,
    chat_events.ModelWaitData,
)
_NAMES: Final[dict[Any, str]] = {
    str: "string", int: "number", float: "number", bool: "boolean", Position: "position", type(None): "null",
}  # fmt: skip

_HTML: Final = '<p>Grüße, &lt;b&gt; <strong>漢字</strong> <span class="k">\\</span></p>\n'
_ID: Final = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
#: One value per name of a field, the same wherever that field stands.
_SAMPLES: Final[dict[str, Any]] = {
    "generation": _ID, "conversation": "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "position": Position(2, 7),
    "follows": Position(2, 3), "after": Position(2, 3), "attempt": 2, "epoch": "k3Jx9Qm2", "part": 0, "last": True,
    "recovered": False, "status": "streaming", "model": "demo", "text": 'Grüße, 👩‍👩‍👧!\n"漢字" \\ </script>\u2028',
    "input_tokens": 21, "output_tokens": 13, "cached_tokens": 8, "bytes": 11, "reason": "stop",
    "sha256": "64ec88ca00b268e5ba1a35678a1b5316d212f4f366b2477232534a8aeca37f3c",
    "code": "too_many", "message": "A sentence for people.", "retryable": True, "retry_after_s": 1.5, "retry_in_s": 2.5,
    "waited_ms": 160, "first_text_ms": 412, "duration_ms": 5230, "id": 17,
    "result": {"message": 42, "generation": _ID}, "protocol": 1,
    "user": {"id": 3, "name": "Ann Lee"}, "server_time": "2026-11-20T10:00:00.000Z", "heartbeat_s": 20.0, "n": 12,
    "limits": {"frame_bytes": 65536, "message_chars": 32000, "subscriptions": 20, "window_bytes": 262144},
    "streams": [{"generation": _ID, "position": "2-7", "epoch": "k3Jx9Qm2"}], "revision": 9, "since": 8,
    "conversations": [{"conversation": "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "revision": 9}], "title": "Hubs",
    "participants": [{"id": 3, "name": "Ann Lee", "role": "owner"}], "removed": [41], "complete": True, "older": False,
    "index": 1, "lines": 2, "html": _HTML, "blocks": [{"lines": 1, "html": _HTML}, {"lines": 1, "html": None}],
    "system_prompt": "Be brief.",
    "told": {"system_prompt": "Be brief.", "summary": {"through": 33, "text": "Ann asks about hubs.", "model": "demo"}},
    "client_message_id": "0d1f-1", "client_command_id": "0d1f-2",
    "after_ms": 3200, "list_head": {"count": 4, "total": 61}, "reply_policy": "mention",
    "people": [3, 4], "percent": 84,
    "sentences": [{"text": "%(count)s of %(model)s.", "values": {"count": 2, "model": "Demo"}}],
    "entries": [
        {"conversation": "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "title": "Hubs", "role": "owner", "people": 2,
         "revision": 9, "read_revision": 7, "changed_at": "2026-11-20T09:59:58.121Z", "unread": True,
         "answering": False},
    ],
    "ahead": 7, "p50_s": 40.0, "p90_s": 70.0, "why": "paused", "resume_s": 20.0,
    "waits": {"demo": {"p50_s": 40.0, "p90_s": 70.0, "why": "open", "message": ""}},
    "messages": [
        {"id": 42, "role": "user", "author": {"id": 3, "name": "Ann Lee"}, "text": "What is a hub?", "html": None,
         "state": "sent", "model": "demo", "created_at": "2026-11-20T09:59:58.120Z", "edited_at": None, "ended": "",
         "revision": 9, "parent": None, "siblings": [], "client_message_id": "0d1f-1", "generation": None},
        {"id": 43, "role": "assistant", "author": None, "text": "", "html": None, "state": "sent", "model": "demo",
         "created_at": "2026-11-20T09:59:58.121Z", "edited_at": None, "ended": "", "revision": 9, "parent": 42,
         "siblings": [41, 43],
         "client_message_id": None, "generation": {"id": _ID, "status": "queued", "model": "demo", "reason": "",
         "code": "", "message": "", "retryable": False, "input_tokens": None, "output_tokens": None,
         "cached_tokens": None, "waited_ms": None, "first_text_ms": None, "duration_ms": None}},
    ],
}  # fmt: skip
#: Where one name means something else in one class.
_SPECIAL: Final[dict[tuple[str, str], Any]] = {
    ("message.edit", "message"): 42,
    ("message.switch", "message"): 42,
    ("message.cancel", "message"): 42,
    ("stream.subscribe", "blocks"): True,
    ("list.changed", "removed"): ["0e02b2c3-58cc-4372-a567-0e02b2c3d479"],
}


def document(current: str) -> str:
    """The document with its generated parts made anew."""
    for name, made in tables().items():
        start, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
        before, found, rest = current.partition(start)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"PROTOCOL.md has no part named {name}")
        current = f"{before}{start}{made}\n{end}{after}"
    return current


def tables() -> dict[str, str]:
    events = stream_events.EVENT_TYPES.values()
    durable = [kind for kind in events if issubclass(kind, stream_events.DurableEvent)]
    ephemeral = [kind for kind in events if kind not in durable]
    return {
        "commands": _table(
            ("Command", "Fields", "`ok` holds", "What it does"), map(_command_row, COMMAND_TYPES.values())
        ),
        "frames": _table(("Frame", "Fields", "What it says"), map(_frame_row, chat_events.FRAME_TYPES.values())),
        "durable events": _table(("Event", "Fields", "What it says"), map(_frame_row, durable)),
        "ephemeral events": _table(("Event", "Fields", "What it says"), map(_frame_row, ephemeral)),
        "data": _table(("Data", "Fields", "What it is"), map(_data_row, DATA)),
    }


def golden_frames() -> dict[str, str]:
    """One frame of each type, by file name."""
    frames: dict[str, str] = {}
    for kind in stream_events.EVENT_TYPES.values():
        frames[kind.TYPE] = stream_events.encode(kind(**_sample(kind)))
    for frame in chat_events.FRAME_TYPES.values():
        frames[frame.TYPE] = chat_events.encode(frame(**_sample(frame)))
    for command in COMMAND_TYPES.values():
        named = {name: str(value) if isinstance(value, Position) else value for name, value in _sample(command).items()}
        frame_id = {"id": 17} if command.ANSWERED else {}
        frames[command.TYPE] = json.dumps({"type": command.TYPE, **frame_id, **named}, ensure_ascii=False)
    return {f"{name}.json": f"{frame}\n" for name, frame in frames.items()}


def write() -> None:
    DOCUMENT.write_text(document(DOCUMENT.read_text()))
    GOLDEN_FRAMES.mkdir(parents=True, exist_ok=True)
    golden = golden_frames()
    for path in GOLDEN_FRAMES.glob("*.json"):
        if path.name not in golden:
            path.unlink()
    for name, frame in golden.items():
        (GOLDEN_FRAMES / name).write_text(frame)


def outdated() -> list[str]:
    """Names of the files that `write` would change."""
    current = DOCUMENT.read_text()
    files = {path.name: path.read_text() for path in GOLDEN_FRAMES.glob("*.json")}
    golden = golden_frames()
    wrong = [name for name in files.keys() | golden.keys() if files.get(name) != golden.get(name)]
    return sorted(wrong + ([DOCUMENT.name] if document(current) != current else []))


def _sample(kind: type[Any]) -> dict[str, Any]:
    return {field.name: _SPECIAL.get((kind.TYPE, field.name), _SAMPLES[field.name]) for field in fields(kind)}


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _command_row(kind: type[Command]) -> tuple[str, ...]:
    described = [f"`{name}{'' if needed else '?'}` {rule.about}" for name, (rule, needed) in rules_of(kind).items()]
    result = ", ".join(f"`{name}`" for name in kind.RESULT) or ("nothing more" if kind.ANSWERED else "no answer")
    return f"`{kind.TYPE}`", "; ".join(described) or "none", result, _about(kind)


def _frame_row(kind: type[Any]) -> tuple[str, ...]:
    hints = get_type_hints(kind)
    described = []
    for field in fields(kind):
        if field.name == "result":
            continue
        left_out = field.default is None
        described.append(f"`{field.name}{'?' if left_out else ''}` {_type_name(hints[field.name], left_out)}")
    return f"`{kind.TYPE}`", "; ".join(described), _about(kind)


def _data_row(kind: type[Any]) -> tuple[str, ...]:
    described = [f"`{name}` {_type_name(hint)}" for name, hint in get_type_hints(kind).items()]
    about = "" if kind.__doc__ in (None, dict.__doc__) else _about(kind)
    return kind.__name__, "; ".join(described), about


def _type_name(hint: Any, left_out: bool = False) -> str:
    if isinstance(hint, types.UnionType) or get_origin(hint) is types.UnionType:
        kinds = [kind for kind in get_args(hint) if not (left_out and kind is type(None))]
        return " or ".join(_type_name(kind) for kind in kinds)
    if get_origin(hint) is list:
        return f"[{_type_name(get_args(hint)[0])}]"
    if get_origin(hint) is dict:
        return f"{{string: {_type_name(get_args(hint)[1])}}}"
    return hint.__name__ if is_typeddict(hint) else _NAMES[hint]


def _about(kind: type[Any]) -> str:
    return re.sub(r"\s+", " ", inspect.getdoc(kind) or "").replace("|", "\\|")
