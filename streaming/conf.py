"""The engine's settings, read in one place. Each is overridden by a key of the same name in `settings.STREAMING`.

Units are in the names. Where a value has a reason outside taste, the reason stands above it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed


@dataclass(frozen=True, slots=True)
class StreamingSettings:
    #: Where log and channel layer live. They share one Valkey: the append script also publishes.
    redis_url: str = "redis://127.0.0.1:6379/0"
    #: The models on offer: keyword arguments of `providers.base.ModelEntry`, the first available one is the default.
    models: tuple[dict[str, Any], ...] = ()
    #: The model "auto" (see `routing`): {"small": alias, "large": alias, "rule": dotted path}; empty: there is none.
    auto: dict[str, str] = field(default_factory=dict)
    #: Dotted path of `build_prompt(generation_id) -> Prompt`, called inside the claim's transaction.
    prompt_builder: str = ""
    #: Dotted path of `generation_ended(generation_id) -> AfterEnd`, called inside the transaction that ends it.
    on_ended: str = ""

    # Coalescing (FEATURES B3). The window stretches towards the maximum as the process gets busy.
    window_s: float = 0.033
    window_max_s: float = 0.100
    #: A chunk of this many characters does not wait for its window.
    chunk_max_chars: int = 4096
    #: "time": whatever is there; "word" or "sentence": up to the last such boundary.
    boundary: str = "time"
    #: Filters (FEATURES B4) in order, each a dotted path and its keyword arguments; `CleanText` always comes first.
    filters: tuple[tuple[str, dict[str, Any]], ...] = ()

    # The log and the checkpoint.
    log_ttl_s: int = 1800
    checkpoint_s: float = 2.0
    #: A stream that got no text for this long reads its stop flag by itself (an append reads it anyway).
    stop_poll_s: float = 0.5
    #: RELIABILITY G10: a longer answer is cut with reason "length".
    text_max_bytes: int = 1_048_576

    # Waiting for a provider (RELIABILITY, bounded waits).
    connect_timeout_s: float = 5.0
    first_text_timeout_s: float = 60.0
    between_text_timeout_s: float = 30.0
    answer_timeout_s: float = 600.0
    #: Tries before the first character, per request; a 429 that says when to come back does not count.
    provider_errors_max: int = 3
    #: An answer that broke off after text: "continue" (another attempt goes on from it) or "interrupt" (it ends there).
    #: A model's own `after_loss` wins.
    after_loss: str = "continue"
    #: Workers that one generation may lose.
    crashes_max: int = 3
    retry_base_s: float = 0.5
    retry_max_s: float = 20.0

    # Waiting for a worker.
    queue_deadline_s: float = 900.0
    #: A row that is still QUEUED this long after its wake-up was sent gets another one.
    wake_again_s: float = 10.0
    enqueue_timeout_s: float = 2.0
    pacer_period_s: float = 1.0
    #: On SIGTERM a running answer may go on for this long before it is handed back or interrupted.
    drain_s: float = 20.0

    # Waiting for a provider's limits (DESIGN 12).
    #: Keyword arguments of `lane_limits.LaneLimits` for every lane, under those of `ModelEntry.limits`. As they stand,
    #: nobody waits for a lane that was given no limits: `live_generations_per_user_max` bounds what one person may ask.
    lane_limits: dict[str, Any] = field(default_factory=lambda: {"user_concurrency": None, "user_queue": None})
    #: A new question whose wait is foretold to be longer is refused, with the waits of the other models.
    max_wait_s: float = 180.0
    #: Dotted path of `user_weight(user_id) -> float`, a person's share in the fair order; "": 1 for everybody.
    user_weight: str = ""

    #: Streams that one worker process runs at once; also the size of each provider's connection pool.
    worker_streams_max: int = 500
    live_generations_per_user_max: int = 10
    #: Tokens (questions and answers) that one person may use in a UTC day and month; None or 0: no limit. Rows of
    #: `models.TokenBudget` say otherwise for single people.
    user_tokens_per_day: int | None = None
    user_tokens_per_month: int | None = None
    #: The same in US dollars, as the ledger knows prices; numbers or words for them ("2.50").
    user_cost_per_day: str | float | None = None
    user_cost_per_month: str | float | None = None
    #: What everybody may use together.
    site_tokens_per_day: int | None = None
    site_tokens_per_month: int | None = None
    site_cost_per_day: str | float | None = None
    site_cost_per_month: str | float | None = None
    #: Of a prompt that a program brings.
    prompt_max_chars: int = 200_000
    #: Of a conversation's prompt, as `tokens` estimates them: system text, summary, newest turns and question.
    prompt_max_tokens: int = 50_000

    #: Address ("127.0.0.1:9101") at which each worker process answers /livez, /readyz and /metrics; port 0: any free
    #: one; "": none.
    worker_probes: str = ""

    # History (see `rollups`): per minute for so many days, per hour for so many.
    rollup_minutes_days: float = 7.0
    rollup_hours_days: float = 400.0

    # Delivery to sockets (DESIGN 9).
    send_window_bytes: int = 262_144
    outbox_max_bytes: int = 262_144
    snapshot_part_bytes: int = 32_768
    heartbeat_live_s: float = 5.0
    heartbeat_idle_s: float = 20.0
    send_timeout_s: float = 10.0
    #: A group stays subscribed this long after its last reader left: reloads come back within it.
    group_linger_s: float = 10.0
    group_proof_timeout_s: float = 2.0
    #: The clients of a web process that restarts come back within this time, and sooner if they are few.
    reconnect_spread_s: float = 10.0


@lru_cache(maxsize=1)
def get() -> StreamingSettings:
    """The settings of this process. Raises TypeError for a key that does not exist."""
    return StreamingSettings(**getattr(settings, "STREAMING", {}))


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "STREAMING":
        get.cache_clear()


setting_changed.connect(_forget)
