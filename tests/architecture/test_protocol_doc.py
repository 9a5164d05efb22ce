"""PROTOCOL.md and the golden frames say what the classes say; JavaScript's tests read the same files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from chat.commands import COMMAND_TYPES, parse_command
from chat.events import FRAME_TYPES
from chatsite import protocol_doc
from streaming.events import EVENT_TYPES, decode, encode

GOLDEN = protocol_doc.GOLDEN_FRAMES


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text().rstrip("\n")


def test_document_and_golden_frames_are_up_to_date() -> None:
    assert protocol_doc.outdated() == [], "run `manage.py protocol --write`"


def test_a_change_of_the_document_would_be_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stale = tmp_path / "PROTOCOL.md"
    stale.write_text(protocol_doc.DOCUMENT.read_text().replace("`message.send`", "`message.post`"))
    monkeypatch.setattr(protocol_doc, "DOCUMENT", stale)
    assert protocol_doc.outdated() == ["PROTOCOL.md"]


def test_there_is_one_golden_frame_of_each_type() -> None:
    types = [*EVENT_TYPES, *FRAME_TYPES, *COMMAND_TYPES]
    assert len(types) == len(set(types))
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(types)


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_a_golden_event_is_what_the_engine_writes_and_reads(name: str) -> None:
    event = decode(golden(name))
    assert type(event) is EVENT_TYPES[name]
    assert encode(event) == golden(name)


@pytest.mark.parametrize("name", COMMAND_TYPES)
def test_a_golden_command_is_accepted_with_every_field(name: str) -> None:
    command, id = parse_command(golden(name))
    assert type(command) is COMMAND_TYPES[name]
    assert id == (17 if command.ANSWERED else None)
    assert None not in asdict(command).values()


@pytest.mark.parametrize("name", FRAME_TYPES)
def test_a_golden_frame_names_its_type_first(name: str) -> None:
    assert next(iter(json.loads(golden(name)).items())) == ("type", name)
