from __future__ import annotations

from chat.api import chat_events
from streaming.errors import ProviderRateLimited
from streaming.events import Completed, Position, Queued


def ended(**fields: int | None) -> Completed:
    return Completed(generation="g", position=Position(1, 9), bytes=12, sha256="", reason="length", **fields)  # type: ignore[arg-type]


def test_the_end_says_what_it_took() -> None:
    event = chat_events.end(ended(input_tokens=5, output_tokens=50, first_text_ms=500, duration_ms=1500), 2)
    assert event["finish_reason"] == "length"
    assert event["usage"]["total_tokens"] == 55
    assert event["metrics"] == {
        "first_text_ms": 500, "duration_ms": 1500, "tokens_per_second": 50.0, "bytes": 12,
    }  # fmt: skip


def test_what_is_not_known_is_null() -> None:
    assert chat_events.end(ended(), 0)["metrics"]["tokens_per_second"] is None
    at_once = ended(output_tokens=5, first_text_ms=100, duration_ms=100)
    assert chat_events.end(at_once, 0)["metrics"]["tokens_per_second"] is None
    assert chat_events.waiting(Queued(generation="g", reason="starting"))["position"] is None


def test_a_wait_counts_oneself() -> None:
    assert chat_events.waiting(Queued(generation="g", reason="waiting", ahead=2))["position"] == 3


def test_an_error_says_when_to_come_back() -> None:
    assert chat_events.error(ProviderRateLimited("Slow.", retry_after_s=4.0)) == {
        "type": "error", "code": "rate_limited", "message": "Slow.", "retryable": True, "retry_after_seconds": 4.0,
    }  # fmt: skip
