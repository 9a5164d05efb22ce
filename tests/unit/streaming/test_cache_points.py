from streaming.cache_points import CachePoints, cache_points
from streaming.prompt import Prompt, PromptMessage


def talk(*lengths: int, system: int = 0, key: str = "c") -> Prompt:
    """Questions and answers in turn, of so many tokens each."""
    roles = ("user", "assistant")
    messages = tuple(PromptMessage(roles[n % 2], "four" * length) for n, length in enumerate(lengths))  # type: ignore[arg-type]
    return Prompt(messages, system="four" * system, cache_key=key)


def test_a_short_prompt_is_not_worth_remembering() -> None:
    assert cache_points(talk(10, 10, 10, system=10), 100) == CachePoints()


def test_a_long_system_text_is_remembered_by_itself() -> None:
    assert cache_points(talk(10, system=100), 100) == CachePoints(True, frozenset({0}))


def test_a_grown_talk_is_remembered_up_to_its_last_two_questions() -> None:
    assert cache_points(talk(60, 60, 60, 60, 60), 100).messages == {2, 4}
    assert cache_points(talk(60, 60, 60, 60, 60, 60, 60), 100).messages == {4, 6}
    assert not cache_points(talk(60, 60, 60), 100).system


def test_what_was_remembered_last_time_is_a_point_of_the_next_prompt() -> None:
    before, now = (cache_points(talk(*[60] * count), 100) for count in (5, 7))
    assert max(before.messages) in now.messages


def test_what_is_asked_only_once_is_not_remembered() -> None:
    assert cache_points(talk(1000, system=1000, key=""), 100) == CachePoints()
