from __future__ import annotations

import pytest

from chat.api.errors import Invalid, openai_error, problem_of, status_of
from streaming.errors import ProviderTimeout, Refused


@pytest.mark.parametrize(
    ("error", "openai", "own"),
    [
        (Invalid("No.", param="n"), 400, 422),
        (Refused(code="empty_message"), 400, 422),
        (Refused(code="queue_full"), 429, 429),
        (Refused(code="lane_full"), 503, 503),
        (ProviderTimeout(), 504, 504),
    ],
)
def test_a_code_has_its_status(error: Refused, openai: int, own: int) -> None:
    assert (status_of(error, "/v1/chat/completions"), status_of(error, "/api/v1/usage")) == (openai, own)


def test_a_problem_says_when_to_come_back_and_which_field_is_wrong() -> None:
    error = Invalid("Too many.", param="limit")
    error.retry_after_s = 1.2
    problem = problem_of(error, 422, "/api/v1/conversations", "req_1")
    assert problem["title"] == "Unprocessable content"
    assert (problem["detail"], problem["instance"]) == ("Too many.", "/api/v1/conversations")
    assert (problem["retry_after_s"], problem["param"], problem["code"]) == (2, "limit", "invalid_value")


def test_openais_own_words_are_used_where_there_are_some() -> None:
    assert openai_error(Refused(code="budget_spent"), 429)["type"] == "insufficient_quota"
    assert openai_error(Refused(code="context_too_long"), 400)["code"] == "context_length_exceeded"
    assert openai_error(Refused(code="lane_full"), 503)["type"] == "server_error"
