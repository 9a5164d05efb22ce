"""The AsyncAPI document says what the parser accepts and what the server sends, and is one by its own standard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import call_command

from chat.commands import COMMAND_TYPES, CommandError, parse_command
from chat.events import FRAME_TYPES
from chatsite import asyncapi_doc, protocol_doc
from streaming.events import EVENT_TYPES
from tests.npm import npm_packages

DOCUMENT = asyncapi_doc.document()
MESSAGES = DOCUMENT["components"]["messages"]
SCHEMAS = DOCUMENT["components"]["schemas"]
GOLDEN = {path.stem: json.loads(path.read_text()) for path in protocol_doc.GOLDEN_FRAMES.glob("*.json")}
#: Values of every type, at and beyond the edges of what commands may hold.
ODD_VALUES = (
    None, True, -1, 0, 17, 1.5, 2**53, "", "x", " ", "x" * 64, "x" * 65, "x" * 100, "x" * 101, [], {}, "1-1", "1-",
    "7c9e6679-7425-40de-944b-e07fc1f90ae7", "7C9E6679-7425-40DE-944B-E07FC1F90AE7", "7c9e6679742540de944be07fc1f90ae7",
)  # fmt: skip


def is_valid(name: str, value: object) -> bool:
    schema = {"components": DOCUMENT["components"], "$ref": f"#/components/schemas/{name}"}
    return bool(jsonschema_rs.is_valid(schema, value))


def is_command(frame: dict[str, Any]) -> bool:
    try:
        parse_command(json.dumps(frame))
    except CommandError:
        return False
    return True


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else ()
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from references(inner)


def found(reference: str) -> Any:
    part: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def changed(frame: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The frame with one field wrong, missing, null or too many."""
    yield frame | {"unknown": 1}
    for name in frame:
        yield {key: value for key, value in frame.items() if key != name}
        yield from (frame | {name: value} for value in ODD_VALUES if name != "type" or value != frame["type"])


@pytest.mark.parametrize("name", [*EVENT_TYPES, *FRAME_TYPES, *COMMAND_TYPES])
def test_a_golden_frame_keeps_to_its_schema_and_names_only_what_that_describes(name: str) -> None:
    frame = GOLDEN[name]
    assert is_valid(name, frame)
    assert not is_valid(name, frame | {"type": "another"})
    described = SCHEMAS[name]["properties"] | (SCHEMAS["ok.message.send"]["properties"] if name == "ok" else {})
    assert frame.keys() <= described.keys()
    if name not in COMMAND_TYPES:
        assert is_valid("envelope", {"n": 1, "frames": [frame]})


@pytest.mark.parametrize("name", COMMAND_TYPES)
def test_the_schema_of_a_command_accepts_what_the_parser_accepts_and_nothing_else(name: str) -> None:
    assert is_command(GOLDEN[name])
    for frame in changed(GOLDEN[name]):
        assert is_valid(name, frame) == is_command(frame), frame


@pytest.mark.parametrize("name", [*EVENT_TYPES, *FRAME_TYPES])
def test_a_frame_without_one_of_its_needed_fields_breaks_the_schema(name: str) -> None:
    for field in SCHEMAS[name]["required"]:
        assert not is_valid(name, {key: value for key, value in GOLDEN[name].items() if key != field}), field


def test_the_ok_of_a_command_holds_what_the_command_says_that_it_gives_back() -> None:
    assert is_valid("ok.message.send", GOLDEN["ok"])
    assert not is_valid("ok.generation.stop", GOLDEN["ok"])


def test_every_message_is_shown_by_examples_that_keep_to_its_schema() -> None:
    for name, message in MESSAGES.items():
        assert message["examples"], name
        assert all(is_valid(name, example["payload"]) for example in message["examples"]), name
    shown = {example["payload"]["frames"][0]["type"] for example in MESSAGES["envelope"]["examples"]}
    assert shown == {*EVENT_TYPES, *FRAME_TYPES}


def test_every_reference_leads_somewhere() -> None:
    refs = set(references(DOCUMENT))
    assert len(refs) > 50
    assert all(found(ref) for ref in refs)


def test_every_command_is_an_operation_that_is_answered_if_it_has_an_id() -> None:
    operations = DOCUMENT["operations"]
    assert set(operations) == {*COMMAND_TYPES, "deliver"}
    for name, kind in COMMAND_TYPES.items():
        assert operations[name]["action"] == "receive"
        assert ("reply" in operations[name]) == kind.ANSWERED


def test_the_standard_s_own_schema_accepts_it(npm_asyncapi: Path) -> None:
    standard = json.loads((npm_asyncapi / "@asyncapi/specs/schemas/3.0.0.json").read_text())
    assert jsonschema_rs.is_valid(standard, DOCUMENT)
    assert not jsonschema_rs.is_valid(standard, DOCUMENT | {"operations": {"send": {"action": "shout"}}})


def test_the_command_prints_it_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("asyncapi")
    call_command("asyncapi", out=tmp_path / "asyncapi.json")
    assert json.loads(capsys.readouterr().out) == DOCUMENT
    assert json.loads((tmp_path / "asyncapi.json").read_text()) == DOCUMENT


@pytest.fixture(scope="module")
def npm_asyncapi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm_packages(tmp_path_factory.mktemp("npm"), "@asyncapi/specs@6")
