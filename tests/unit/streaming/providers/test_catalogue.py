import asyncio
import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from streaming import providers
from streaming.errors import Refused

DEMO = {"alias": "demo", "label": "Demo", "provider": "demo", "model": "demo"}
CLAUDE = {**DEMO, "alias": "claude", "provider": "anthropic", "api_key": "sk-secret", "unavailable": None}
LOCKED = {**CLAUDE, "alias": "locked", "unavailable": "ANTHROPIC_API_KEY is not set on this server."}


@pytest.fixture
def models(settings: Any) -> list[dict[str, Any]]:
    """The models on offer, to be filled in before they are used."""
    offered: list[dict[str, Any]] = [DEMO, CLAUDE, LOCKED]
    settings.STREAMING = {"models": offered}
    return offered


def test_all_models_are_listed_in_the_order_of_the_settings(models: list[dict[str, Any]]) -> None:
    assert [entry.alias for entry in providers.catalogue()] == ["demo", "claude", "locked"]


def test_a_model_is_found_by_its_alias(models: list[dict[str, Any]]) -> None:
    assert providers.find("claude").provider == "anthropic"


def test_an_unknown_model_is_refused_with_the_names_of_the_known_ones(models: list[dict[str, Any]]) -> None:
    with pytest.raises(Refused, match=r"'gpt-2' .* demo, claude, locked") as caught:
        providers.find("gpt-2")
    assert caught.value.code == "unknown_model"


def test_a_model_without_key_is_refused_with_its_sentence(models: list[dict[str, Any]]) -> None:
    with pytest.raises(Refused, match="ANTHROPIC_API_KEY is not set") as caught:
        providers.find("locked")
    assert caught.value.code == "model_unavailable"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({**DEMO, "provider": "acme"}, "'demo': there is no provider 'acme'. Known: anthropic, openai, demo"),
        ({**DEMO, "dialect": "latin"}, "'demo': there is no dialect 'latin'. Known: chat, responses"),
        ({**DEMO, "temperature": 1}, "'demo': .*unexpected keyword argument 'temperature'"),
        ({"alias": "demo"}, "'demo': .*missing 3 required"),
        (CLAUDE, "'claude' is the alias of two models"),
    ],
)
def test_a_wrong_entry_is_named_with_what_is_wrong(
    models: list[dict[str, Any]], wrong: dict[str, Any], sentence: str
) -> None:
    models.append(wrong)
    with pytest.raises(ImproperlyConfigured, match=sentence):
        providers.catalogue()


def test_a_key_is_never_part_of_an_entrys_text(models: list[dict[str, Any]]) -> None:
    assert "sk-secret" not in repr(providers.catalogue())


async def test_models_of_one_account_share_a_connection_and_others_do_not(models: list[dict[str, Any]]) -> None:
    models.append({**CLAUDE, "alias": "other-model", "model": "other"})
    models.append({**CLAUDE, "alias": "other-key", "api_key": "sk-other"})
    models.append({**CLAUDE, "alias": "other-address", "base_url": "http://127.0.0.1:9"})
    opened = [providers.get_provider(entry) for entry in providers.catalogue() if entry.provider == "anthropic"]
    first, locked, same, other_key, other_address = opened
    assert first is same is locked
    assert len({id(first), id(other_key), id(other_address)}) == 3
    await providers.aclose_all()


async def test_after_closing_a_new_connection_is_opened(models: list[dict[str, Any]]) -> None:
    entry = providers.find("claude")
    before = providers.get_provider(entry)
    await providers.aclose_all()
    assert providers.get_provider(entry) is not before
    await providers.aclose_all()


def test_each_loop_has_its_own_connections(models: list[dict[str, Any]]) -> None:
    async def opened() -> object:
        provider = providers.get_provider(providers.find("demo"))
        await providers.aclose_all()
        return provider

    assert asyncio.run(opened()) is not asyncio.run(opened())


@pytest.mark.parametrize(
    ("offered", "loaded"), [("demo", "[]"), ("anthropic", "['anthropic']"), ("openai", "['openai']")]
)
def test_an_sdk_is_loaded_only_for_a_model_that_needs_it(offered: str, loaded: str) -> None:
    script = (
        "import django, sys; from django.conf import settings;"
        f"settings.configure(STREAMING={{'models': [{{**{DEMO!r}, 'provider': {offered!r}}}]}});"
        "from streaming import providers; providers.catalogue(); providers.preload();"
        "print(sorted({'anthropic', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == loaded
