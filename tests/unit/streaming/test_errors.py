"""The decision travels with the error, and each kind has its own word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streaming import errors
from streaming.errors import ProviderError, ProviderRateLimited, StreamingError


def tree(kind: type[StreamingError] = StreamingError) -> Iterator[type[StreamingError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_what_is_raised_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in tree() if not kind.__subclasses__()]
    assert len(codes) == len(set(codes))


def test_each_provider_error_is_a_sentence_of_its_own_for_people() -> None:
    sentences = [kind.message for kind in tree(ProviderError)]
    assert len(sentences) == len(set(sentences))
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_each_kind_is_in_the_picture_of_the_tree(kind: type[StreamingError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


def test_what_one_case_knows_better_replaces_the_defaults_of_its_kind() -> None:
    error = ProviderRateLimited("Wait.", code="ramp_limit", retryable=False, retry_after_s=4.0)
    assert (error.message, error.code, error.retryable, error.retry_after_s) == ("Wait.", "ramp_limit", False, 4.0)
    assert str(error) == "Wait."
    plain = ProviderRateLimited()
    assert (plain.message, plain.code, plain.retryable) == (ProviderRateLimited.message, "rate_limited", True)
