import pytest

from streaming.prompt import Prompt, PromptMessage
from streaming.providers.demo_answers import ECHO_MAX_CHARS, Scenario, answer, fingerprint, pieces, scenarios


def asked(*texts: str) -> Prompt:
    return Prompt(tuple(PromptMessage("assistant" if at % 2 else "user", text) for at, text in enumerate(texts)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", set()),
        ("Show me CODE, please", {Scenario.CODE}),
        ("decode unicode", {Scenario.UNICODE}),
        ("a long, slow answer", {Scenario.LONG, Scenario.SLOW}),
        ("rate limit", {Scenario.RATE_LIMIT}),
        ("Rate-Limit!", {Scenario.RATE_LIMIT}),
        ("errors along the way", set()),
        ("stall error empty markdown", {Scenario.STALL, Scenario.ERROR, Scenario.EMPTY, Scenario.MARKDOWN}),
    ],
)
def test_scenario_words_are_whole_words_of_the_last_message(text: str, words: set[Scenario]) -> None:
    assert scenarios(asked("an error of long ago", "an answer", text)) == words


def test_equal_prompts_get_equal_answers_and_others_do_not() -> None:
    assert answer(asked("hello")) == answer(asked("hello"))
    assert answer(asked("hello")) != answer(asked("hello!"))


def test_another_seed_may_say_it_differently() -> None:
    assert len({answer(asked("hello"), seed) for seed in range(20)}) > 1


def test_the_answer_quotes_the_question_and_explains_what_is_seen() -> None:
    text = answer(asked("What is\n this?"))
    assert "“What is this?”" in text
    assert "Reload this page" in text


def test_a_long_question_is_quoted_in_part() -> None:
    first_line = answer(asked("word " * 1000)).splitlines()[0]
    assert "…" in first_line
    assert len(first_line) < ECHO_MAX_CHARS + 100


def test_the_answer_knows_how_often_it_was_asked() -> None:
    assert "message number 2" in answer(asked("hello", "hi", "again"))


def test_a_prompt_without_messages_is_answered() -> None:
    assert "nothing that I can quote" in answer(Prompt(()))


@pytest.mark.parametrize(
    ("word", "sign"), [("markdown", "| Station |"), ("code", "```python"), ("unicode", "👩‍👩‍👧‍👦"), ("long", "## 8. ")]
)
def test_words_bring_their_text(word: str, sign: str) -> None:
    assert sign in answer(asked(word))


def test_empty_is_empty() -> None:
    assert answer(asked("empty please")) == ""


def test_a_long_answer_is_long() -> None:
    assert len(pieces(answer(asked("long")))) > 1000


@pytest.mark.parametrize("word", ["hello", "markdown", "code", "unicode", "long"])
@pytest.mark.parametrize("fine", [True, False])
def test_the_pieces_are_the_text(word: str, fine: bool) -> None:
    text = answer(asked(word))
    assert "".join(pieces(text, fine=fine)) == text


def test_unicode_has_hard_signs_and_cuts_them() -> None:
    text = answer(asked("unicode"))
    cut = pieces(text, fine=True)
    assert len(cut) >= 60
    assert "\r\n" in text
    assert "\u200d" in text
    assert any(len(sign.encode()) == 3 for sign in text)
    assert any(piece[0] in "\u200d\ufe0f\u0301\u0303\u0308" for piece in cut)


def test_a_fingerprint_depends_on_everything_in_a_prompt() -> None:
    prompts = [asked("a"), asked("a", "b", "a"), Prompt(asked("a").messages, system="s"), asked("\ud800")]
    assert len({fingerprint(prompt) for prompt in prompts}) == len(prompts)
