"""What a model reads is all of its prompt, in order."""

from __future__ import annotations

from streaming.prompt import Prompt, PromptMessage


def test_the_texts_of_a_prompt_are_all_that_the_model_reads() -> None:
    prompt = Prompt((PromptMessage("user", "a"), PromptMessage("assistant", "b")), system="s")
    assert prompt.texts == ("s", "a", "b")
