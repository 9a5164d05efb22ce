"""System checks: settings with which streams would be lost or doubled are refused before anything starts.

streaming.E001  the channel layer is the publish/subscribe one      E006  Celery takes one task at a time
streaming.E002  it has exactly one host                             E007  Celery shuts down warmly
streaming.E003  that host is the log's own Valkey                   E008  STREAMING has no unknown key
streaming.E004  its connections survive silence                     E009  the models are known
streaming.E005  Celery acknowledges early                           E010  dotted paths can be imported
streaming.E011  the limits fit together                             E012  "auto" chooses between two known models
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from redis.connection import parse_url

from streaming import conf, limit_rules, pacer, providers, routing
from streaming.conf import StreamingSettings

LAYER = "channels_redis.pubsub.RedisPubSubChannelLayer"
IN_MEMORY_LAYER = "channels.layers.InMemoryChannelLayer"
#: redis-py drops an idle connection after its `socket_timeout`: shorter pauses of Valkey must pass unnoticed.
LAYER_TIMEOUT_MIN_S = 10
#: A client that sent no pong for this long is cut off.
PONG_TIMEOUT_S = 30
#: "Stopped" is promised within a second.
STOP_POLL_MAX_S = 1.0
BOUNDARIES = ("time", "word", "sentence")


@register()
def check_channel_layer(app_configs: Any, **_: Any) -> list[CheckMessage]:
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {})
    backend = layer.get("BACKEND")
    if backend != LAYER:
        reason = "a layer in memory reaches nobody outside its own process" if backend == IN_MEMORY_LAYER else (
            "the append script publishes in its format"
        )  # fmt: skip
        return [Error(f"CHANNEL_LAYERS['default'] must be {LAYER}: {reason}.", id="streaming.E001")]
    hosts = layer.get("CONFIG", {}).get("hosts") or []
    if len(hosts) != 1:
        reason = "appending and publishing are one step in one Valkey"
        return [
            Error(f"The channel layer must name exactly one host, not {len(hosts)}: {reason}.", id="streaming.E002")
        ]
    return list(_host_errors(hosts[0]))


def _host_errors(host: Any) -> Iterator[CheckMessage]:
    options = host if isinstance(host, dict) else {"address": host}
    log_url = getattr(settings, "STREAMING", {}).get("redis_url") or StreamingSettings().redis_url
    if _server(options) != _server({"address": log_url}):
        yield Error("The channel layer's host must be the Valkey of STREAMING['redis_url'].", id="streaming.E003")
    timeout, health = options.get("socket_timeout"), options.get("health_check_interval", 0)
    if timeout is None or timeout < LAYER_TIMEOUT_MIN_S:
        hint = "Without it redis-py drops a silent subscription after 5 s, with whatever was on its way."
        yield Error(
            f"The channel layer's host needs a socket_timeout of at least {LAYER_TIMEOUT_MIN_S} s.",
            hint=hint,
            id="streaming.E004",
        )
    elif not 0 < health < timeout:
        yield Error(
            "The channel layer's host needs a health_check_interval shorter than its socket_timeout.",
            id="streaming.E004",
        )


def _server(options: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one Valkey from another: not the database number, which publishing ignores."""
    if isinstance(options.get("address"), str):
        try:
            options = parse_url(options["address"])  # type: ignore[no-untyped-call]
        except ValueError:
            return (options["address"],)
    return options.get("path"), options.get("host", "localhost"), options.get("port", 6379)


@register()
def check_celery(app_configs: Any, **_: Any) -> Iterator[CheckMessage]:
    if getattr(settings, "CELERY_TASK_ACKS_LATE", False):
        hint = "A reset connection would start a second copy of every running answer."
        yield Error("CELERY_TASK_ACKS_LATE must be off.", hint=hint, id="streaming.E005")
    multiplier = getattr(settings, "CELERY_WORKER_PREFETCH_MULTIPLIER", 4)
    if multiplier != 1 or not getattr(settings, "CELERY_WORKER_DISABLE_PREFETCH", False):
        wanted = "CELERY_WORKER_PREFETCH_MULTIPLIER must be 1 and CELERY_WORKER_DISABLE_PREFETCH on"
        yield Error(f"{wanted}: a busy worker must not hold what another could run.", id="streaming.E006")
    if getattr(settings, "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT", 0):
        hint = "With the threads pool a soft shutdown crashes the worker instead of handing its streams over."
        yield Error("CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT must be 0.", hint=hint, id="streaming.E007")


@register()
def check_streaming_settings(app_configs: Any, **_: Any) -> list[CheckMessage]:
    given = getattr(settings, "STREAMING", {})
    unknown = sorted(given.keys() - {field.name for field in fields(StreamingSettings)})
    if unknown:
        return [Error(f"STREAMING has no setting {unknown[0]!r}.", id="streaming.E008")]
    return [*_model_errors(), *_path_errors(conf.get()), *_limit_errors(conf.get()), *_auto_errors(conf.get())]


def _model_errors() -> Iterator[CheckMessage]:
    try:
        providers.catalogue()
        limit_rules.check_limits(conf.get().lane_limits)
    except ImproperlyConfigured as error:
        yield Error(str(error), id="streaming.E009")
    except ValueError as error:
        yield Error(f"STREAMING['lane_limits']: {error}.", id="streaming.E009")


def _auto_errors(values: StreamingSettings) -> Iterator[CheckMessage]:
    auto, aliases = values.auto, [model.get("alias") for model in values.models]
    if routing.ALIAS in aliases:
        yield Error(f"STREAMING['models']: {routing.ALIAS!r} cannot be the alias of a model.", id="streaming.E012")
    if not auto:
        return
    if not {"small", "large"} <= auto.keys() <= {"small", "large", "rule"}:
        yield Error("STREAMING['auto'] needs 'small' and 'large', and may have a 'rule'.", id="streaming.E012")
        return
    for size in ("small", "large"):
        if auto[size] not in aliases:
            yield Error(f"STREAMING['auto']: there is no model {auto[size]!r} for {size!r}.", id="streaming.E012")


def _path_errors(values: StreamingSettings) -> Iterator[CheckMessage]:
    paths = [("prompt_builder", values.prompt_builder), ("on_ended", values.on_ended)]
    paths += [("filters", path) for path, _ in values.filters]
    paths += [("auto", values.auto["rule"])] if values.auto.get("rule") else []
    for name, path in paths:
        if not path and name == "on_ended":
            continue  # nobody needs to know
        try:
            import_string(path)
        except ImportError as error:
            yield Error(f"STREAMING['{name}'] {path!r} cannot be imported: {error}.", id="streaming.E010")


BUDGETS = tuple(
    f"{whose}_{what}_per_{period}"
    for whose in ("user", "site")
    for what in ("tokens", "cost")
    for period in ("day", "month")
)
#: What must hold, and what is wrong if it does not.
LIMITS: tuple[tuple[Callable[[StreamingSettings], bool], str], ...] = (
    (lambda s: 0 < s.window_s <= s.window_max_s, "window_s must be above 0 and at most window_max_s"),
    (lambda s: s.boundary in BOUNDARIES, f"boundary must be one of {', '.join(BOUNDARIES)}"),
    (
        lambda s: 0 < s.checkpoint_s < s.log_ttl_s,
        "checkpoint_s must be below log_ttl_s: the row takes over from the log",
    ),
    (
        lambda s: s.log_ttl_s > s.answer_timeout_s,
        "log_ttl_s must exceed answer_timeout_s: a log must outlive its answer",
    ),
    (
        lambda s: max(s.first_text_timeout_s, s.between_text_timeout_s) <= s.answer_timeout_s,
        "first_text_timeout_s and between_text_timeout_s must be at most answer_timeout_s",
    ),
    (lambda s: s.connect_timeout_s <= s.first_text_timeout_s, "connect_timeout_s must be at most first_text_timeout_s"),
    (lambda s: 0 < s.stop_poll_s <= STOP_POLL_MAX_S, f"stop_poll_s must be above 0 and at most {STOP_POLL_MAX_S:g}"),
    (lambda s: s.provider_errors_max >= 1, "provider_errors_max must be at least 1"),
    (lambda s: 0 < s.retry_base_s <= s.retry_max_s, "retry_base_s must be above 0 and at most retry_max_s"),
    (
        lambda s: s.wake_again_s > s.enqueue_timeout_s,
        "wake_again_s must exceed enqueue_timeout_s: one wake-up at a time",
    ),
    (lambda s: s.queue_deadline_s > s.wake_again_s, "queue_deadline_s must exceed wake_again_s"),
    (
        lambda s: 0 < s.pacer_period_s < pacer.LEASE_MS / 1000,
        f"pacer_period_s must be below {pacer.LEASE_MS / 1000:g}: the pacer's lease must not lapse between two rounds",
    ),
    (lambda s: s.worker_streams_max >= 1, "worker_streams_max must be at least 1"),
    (
        lambda s: not s.worker_probes or bool(re.fullmatch(r".+:\d{1,5}", s.worker_probes)),
        "worker_probes must be an address with a port, like 127.0.0.1:9101",
    ),
    (
        lambda s: 0 < s.rollup_minutes_days <= s.rollup_hours_days,
        "rollup_minutes_days must be above 0 and at most rollup_hours_days",
    ),
    (
        lambda s: min(float(getattr(s, name) or 0) for name in BUDGETS) >= 0,
        f"{', '.join(BUDGETS)} must not be negative: 0 is no limit",
    ),
    (
        lambda s: s.heartbeat_live_s <= s.heartbeat_idle_s < PONG_TIMEOUT_S,
        f"heartbeat_live_s must be at most heartbeat_idle_s, and that below {PONG_TIMEOUT_S}",
    ),
    (
        lambda s: 0 < s.snapshot_part_bytes < min(s.send_window_bytes, s.outbox_max_bytes),
        "snapshot_part_bytes must be below send_window_bytes and outbox_max_bytes: a part must fit",
    ),
)


def _limit_errors(values: StreamingSettings) -> Iterator[CheckMessage]:
    for holds, sentence in LIMITS:
        if not holds(values):
            yield Error(f"STREAMING: {sentence}.", id="streaming.E011")
