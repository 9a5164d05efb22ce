"""Each setting that would lose or double streams is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from streaming import checks

HOST = {"address": "redis://cache:6379/0", "socket_timeout": 15, "health_check_interval": 5}


def layer(*hosts: Any, backend: str = checks.LAYER) -> dict[str, Any]:
    return {"default": {"BACKEND": backend, "CONFIG": {"hosts": list(hosts)}}}


def ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


def layer_ids(layers: dict[str, Any], url: str = "redis://cache:6379/0") -> list[str]:
    with override_settings(CHANNEL_LAYERS=layers, STREAMING={**settings.STREAMING, "redis_url": url}):
        return ids(checks.check_channel_layer(None))


def test_the_settings_of_this_project_pass() -> None:
    assert ids(checks.check_channel_layer(None)) == []
    assert ids(checks.check_celery(None)) == []
    assert ids(checks.check_streaming_settings(None)) == []


def test_a_layer_in_memory_is_refused_with_its_own_reason() -> None:
    with override_settings(CHANNEL_LAYERS=layer(backend=checks.IN_MEMORY_LAYER)):
        (message,) = checks.check_channel_layer(None)
    assert message.id == "streaming.E001"
    assert "outside its own process" in message.msg


@pytest.mark.parametrize("layers", [{}, layer(HOST, backend="channels_redis.core.RedisChannelLayer")])
def test_only_the_publish_subscribe_layer_passes(layers: dict[str, Any]) -> None:
    assert layer_ids(layers) == ["streaming.E001"]


@pytest.mark.parametrize("layers", [layer(), layer(HOST, {**HOST, "address": "redis://other"})])
def test_the_layer_has_exactly_one_host(layers: dict[str, Any]) -> None:
    assert layer_ids(layers) == ["streaming.E002"]


@pytest.mark.parametrize("address", ["redis://other:6379/0", "redis://cache:6380", "unix:///run/valkey.sock"])
def test_the_layer_and_the_log_share_one_valkey(address: str) -> None:
    assert layer_ids(layer({**HOST, "address": address})) == ["streaming.E003"]


def test_another_database_number_is_still_the_same_valkey() -> None:
    assert layer_ids(layer({**HOST, "address": "redis://cache:6379/7"})) == []
    assert layer_ids(layer({**HOST, "address": "redis://cache"})) == []


@pytest.mark.parametrize(
    "change",
    [{"socket_timeout": None}, {"socket_timeout": 5}, {"health_check_interval": 0}, {"health_check_interval": 15}],
)
def test_the_layer_must_survive_silence(change: dict[str, Any]) -> None:
    assert layer_ids(layer({**HOST, **change})) == ["streaming.E004"]


def test_a_bare_address_has_no_timeout() -> None:
    assert layer_ids(layer("redis://cache:6379/0")) == ["streaming.E004"]


@pytest.mark.parametrize(
    ("change", "id"),
    [
        ({"CELERY_TASK_ACKS_LATE": True}, "streaming.E005"),
        ({"CELERY_WORKER_PREFETCH_MULTIPLIER": 4}, "streaming.E006"),
        ({"CELERY_WORKER_DISABLE_PREFETCH": False}, "streaming.E006"),
        ({"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 5}, "streaming.E007"),
    ],
)
def test_celery_settings_that_double_or_lose_answers_are_refused(change: dict[str, Any], id: str) -> None:
    with override_settings(**change):
        assert ids(checks.check_celery(None)) == [id]


MODEL = {"alias": "a", "label": "A", "provider": "demo", "model": "demo"}


@pytest.mark.parametrize(
    ("change", "id", "words"),
    [
        ({"windw_s": 1}, "streaming.E008", "windw_s"),
        ({"models": ({**MODEL, "provider": "acme"},)}, "streaming.E009", "acme"),
        ({"models": (MODEL, MODEL)}, "streaming.E009", "two models"),
        ({"models": ({"alias": "a"},)}, "streaming.E009", "missing"),
        ({"models": ({**MODEL, "limits": {"concurrency": 0}},)}, "streaming.E009", "'a', limits: concurrency must be"),
        ({"lane_limits": {"rpm": 3}}, "streaming.E009", "['lane_limits']: there is no limit 'rpm'"),
        ({"auto": {"small": "demo"}}, "streaming.E012", "needs 'small' and 'large'"),
        ({"auto": {"small": "demo", "large": "gone"}}, "streaming.E012", "no model 'gone' for 'large'"),
        ({"auto": {"small": "demo", "large": "demo", "rule": "a.b"}}, "streaming.E010", "STREAMING['auto'] 'a.b'"),
        ({"models": ({**MODEL, "alias": "auto"},)}, "streaming.E012", "'auto' cannot be"),
        ({"prompt_builder": "chat.nowhere.build"}, "streaming.E010", "chat.nowhere"),
        ({"prompt_builder": ""}, "streaming.E010", "prompt_builder"),
        ({"on_ended": "chat.services.no_such_function"}, "streaming.E010", "no_such_function"),
        ({"filters": (("chat.nowhere.Filter", {}),)}, "streaming.E010", "filters"),
        ({"window_s": 0.2}, "streaming.E011", "window_max_s"),
        ({"boundary": "letter"}, "streaming.E011", "boundary"),
        ({"checkpoint_s": 0}, "streaming.E011", "checkpoint_s"),
        ({"worker_probes": "9101"}, "streaming.E011", "worker_probes"),
        ({"rollup_minutes_days": 500}, "streaming.E011", "rollup_minutes_days"),
        ({"site_cost_per_day": -1}, "streaming.E011", "site_cost_per_day"),
        ({"log_ttl_s": 60}, "streaming.E011", "log_ttl_s"),
        ({"between_text_timeout_s": 700}, "streaming.E011", "between_text_timeout_s"),
        ({"connect_timeout_s": 90}, "streaming.E011", "connect_timeout_s"),
        ({"stop_poll_s": 5}, "streaming.E011", "stop_poll_s"),
        ({"provider_errors_max": 0}, "streaming.E011", "provider_errors_max"),
        ({"retry_base_s": 60}, "streaming.E011", "retry_base_s"),
        ({"wake_again_s": 2}, "streaming.E011", "wake_again_s"),
        ({"queue_deadline_s": 5}, "streaming.E011", "queue_deadline_s"),
        ({"pacer_period_s": 6}, "streaming.E011", "pacer_period_s"),
        ({"worker_streams_max": 0}, "streaming.E011", "worker_streams_max"),
        ({"user_tokens_per_month": -1}, "streaming.E011", "user_tokens_per_month"),
        ({"heartbeat_idle_s": 40}, "streaming.E011", "heartbeat_idle_s"),
        ({"snapshot_part_bytes": 300_000}, "streaming.E011", "snapshot_part_bytes"),
    ],
)
def test_engine_settings_that_do_not_fit_together_are_named(change: dict[str, Any], id: str, words: str) -> None:
    with override_settings(STREAMING={**settings.STREAMING, **change}):
        (message,) = checks.check_streaming_settings(None)
    assert message.id == id
    assert words in message.msg
