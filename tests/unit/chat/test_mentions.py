from __future__ import annotations

import pytest

from chat.mentions import called

ALIASES = ["gpt-6.1-sol", "claude-haiku-5-5", "demo"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("What do you think, @assistant?", ["assistant"]),
        ("@Demo: go on", ["demo"]),
        ("(@gpt-6.1-sol) and @claude-haiku-5-5.", ["gpt-6.1-sol", "claude-haiku-5-5"]),
        ("@demo @DEMO @assistant", ["demo", "assistant"]),
        ("mail ann@demo or x.y@assistant.org", []),
        ("@assistants meet", []),
        ("@gpt-6.1", []),
        ("@bob and @ and @@demo", []),
        ("demo assistant", []),
        ("", []),
    ],
)
def test_only_names_of_their_own_are_calls(text: str, names: list[str]) -> None:
    assert called(text, ALIASES) == names


def test_a_hostile_text_takes_no_time() -> None:
    assert called("@" * 16_000 + "a." * 8_000, ALIASES) == []
