import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.command_fields import MESSAGE_MAX_CHARS
from chat.commands import COMMAND_TYPES, Ack, CommandError, Pong, SendMessage, SubscribeStream, parse_command, rules_of
from streaming.events import Position

ID = "3f2b8c1e-0000-4000-8000-00000000000a"
SEND = {"type": "message.send", "id": 7, "conversation": ID, "client_message_id": "c-1", "text": "Hello"}


def error_of(frame: dict[str, Any] | str) -> CommandError:
    with pytest.raises(CommandError) as refused:
        parse_command(frame if isinstance(frame, str) else json.dumps(frame))
    return refused.value


def code_of(frame: dict[str, Any] | str) -> str:
    return error_of(frame).code


def test_a_command_is_read_with_its_id() -> None:
    command, id = parse_command(json.dumps(SEND | {"model": "demo"}))
    assert command == SendMessage(conversation=UUID(ID), client_message_id="c-1", text="Hello", model="demo")
    assert id == 7


def test_optional_fields_may_be_left_out_or_null() -> None:
    bare = {"type": "stream.subscribe", "id": "a", "generation": ID}
    assert parse_command(json.dumps(bare)) == (SubscribeStream(generation=UUID(ID)), "a")
    assert parse_command(json.dumps(bare | {"after": None, "epoch": None}))[0] == SubscribeStream(generation=UUID(ID))


def test_ack_and_pong_have_no_id() -> None:
    assert parse_command('{"type":"ack","n":3}') == (Ack(n=3), None)
    assert parse_command('{"type":"pong"}') == (Pong(), None)
    assert code_of({"type": "pong", "id": 1}) == "bad_field"


def test_every_other_command_must_have_an_id() -> None:
    for kind in COMMAND_TYPES.values():
        if kind.ANSWERED:
            assert code_of({"type": kind.TYPE}) == "missing_field", kind.TYPE


@pytest.mark.parametrize("id", [True, 1.5, None, [], {}, "", "x" * 65, "\0", "\ud800"])
def test_an_id_that_cannot_be_given_back_is_refused(id: object) -> None:
    refused = error_of(SEND | {"id": id})
    assert (refused.code, refused.id) == ("bad_field", None)


def test_errors_name_the_command_by_its_id() -> None:
    assert error_of(SEND | {"text": 5}).id == 7
    assert error_of({"type": "no.such", "id": "mine"}).id == "mine"


@pytest.mark.parametrize(
    "type", ["websocket.disconnect", "websocket_receive", "_private", "__asgi_channel__", "stream.frame", "handle", ""]
)
def test_types_are_looked_up_in_our_own_table_only(type: str) -> None:
    assert code_of(SEND | {"type": type}) == "unknown_command"


@pytest.mark.parametrize("type", [None, 1, True, [], {"a": 1}])
def test_a_type_that_is_no_string_is_a_bad_field(type: object) -> None:
    assert code_of(SEND | {"type": type}) == "bad_field"
    assert code_of({"id": 1}) == "missing_field"


@pytest.mark.parametrize("name", ["base_url", "api_base", "headers", "user", "__class__", "\ud800", "x" * 5000])
def test_unknown_fields_are_refused_and_named_without_harm(name: str) -> None:
    refused = error_of(SEND | {name: 1})
    assert refused.code == "bad_field"
    assert refused.message.isascii()
    assert len(refused.message) < 200


@pytest.mark.parametrize(
    "id",
    [
        ID.upper(),
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f" {ID}",
        f"{ID}\n",
        "../" + ID,
        "",
        1,
        None,
        True,
    ],
)
def test_ids_have_one_spelling(id: object) -> None:
    expected = "missing_field" if id is None else "bad_field"
    assert code_of({"type": "generation.stop", "id": 1, "generation": id}) == expected


@pytest.mark.parametrize("after", ["-1", "1", "1-", "a-b", "1-1-1", "1.0-1", "١-١", "1-1\n", 5, -1, 1.5, True, []])
def test_positions_of_another_form_are_bad_fields(after: object) -> None:
    assert code_of({"type": "stream.subscribe", "id": 1, "generation": ID, "after": after}) == "bad_field"


def test_positions_beyond_all_numbers_are_positions_in_the_future() -> None:
    frame = {"type": "stream.subscribe", "id": 1, "generation": ID, "after": f"{2**63}-{10**4000}"}
    command, _ = parse_command(json.dumps(frame))
    assert isinstance(command, SubscribeStream)
    assert command.after is not None
    assert command.after > Position(10**14, 10**14)


@pytest.mark.parametrize("number", [True, -1, 1.0, "1", [], 2**53])
def test_numbers_are_whole_and_not_negative(number: object) -> None:
    assert code_of({"type": "ack", "n": number}) in {"bad_field", "bad_json"}


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x\udfff"])
def test_texts_that_cannot_be_stored_are_invalid(text: str) -> None:
    refused = error_of(SEND | {"text": text})
    assert refused.code == "invalid_text"
    assert not refused.strike


@pytest.mark.parametrize("text", ["\u202egnp.exe", "\u200b", "👩‍👩‍👧", "\x1b[2J", "a\u2028b", "=cmd|' /C calc'!A0"])
def test_texts_that_only_look_strange_are_kept(text: str) -> None:
    command, _ = parse_command(json.dumps(SEND | {"text": text}))
    assert isinstance(command, SendMessage)
    assert command.text == text


@pytest.mark.parametrize("text", ["", " ", "\n\t\u2003"])
def test_an_empty_message_is_refused(text: str) -> None:
    assert code_of(SEND | {"text": text}) == "empty_message"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x" * 32_001, "That message is too long: at most 32,000 characters."),
        (" ", "That message is empty: write something first."),
        ("a\0", "That message holds characters that cannot be stored."),
    ],
)
def test_what_people_wrote_is_refused_in_words_for_people(text: str, sentence: str) -> None:
    assert error_of(SEND | {"text": text}).message == sentence


def test_a_message_has_a_longest_length() -> None:
    assert parse_command(json.dumps(SEND | {"text": "x" * MESSAGE_MAX_CHARS}))
    refused = error_of(SEND | {"text": "x" * (MESSAGE_MAX_CHARS + 1)})
    assert (refused.code, refused.strike) == ("message_too_long", False)


def test_frames_that_nobody_sends_by_accident_are_strikes() -> None:
    assert error_of("nonsense").strike
    assert error_of("[" * 1000).strike
    assert error_of(SEND | {"evil": 1}).strike
    assert error_of({"type": "generation.stop", "id": 1}).strike
    assert not error_of({"type": "from.the.future", "id": 1}).strike


def test_every_field_of_every_command_has_a_rule() -> None:
    for kind in COMMAND_TYPES.values():
        for name, (rule, _required) in rules_of(kind).items():
            assert rule.about, f"{kind.TYPE}.{name}"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(categories=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["type", "id", "conversation", "generation", "text", "after", "epoch", "n", "since", "message"])
frames = st.dictionaries(names | st.text(), values, max_size=6)


@given(frames, st.sampled_from([*COMMAND_TYPES, "no.such"]))
def test_no_frame_raises_anything_but_command_error(frame: dict[str, Any], type: str) -> None:
    for data in (frame, frame | {"type": type}, frame | {"type": type, "id": 1}):
        try:
            parse_command(json.dumps(data))
        except CommandError as error:
            json.dumps([error.code, error.message, error.id], ensure_ascii=False).encode()


@given(st.text(st.characters(categories=None)))
def test_no_text_raises_anything_but_command_error(text: str) -> None:
    with pytest.raises(CommandError):
        parse_command(text)
