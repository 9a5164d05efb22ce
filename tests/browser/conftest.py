"""Fixtures of the browser tests. What is missing is a skip on a laptop and a failure where everything must run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from tests.acceptance.leftovers import leaves_nothing as leaves_nothing
from tests.acceptance.rig import Demo
from tests.browser.person import WAIT_MS, Person, log_in_once

CHROMIUM_FLAGS = (
    "--no-sandbox",  # continuous integration runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """Call it with the reason if something that the test needs is not on this machine."""

    def refuse(reason: str) -> NoReturn:
        if os.environ.get("CHATSITE_REQUIRE_ALL") == "1":
            pytest.fail(f"{reason} (CHATSITE_REQUIRE_ALL=1)", pytrace=False)
        pytest.skip(reason)

    return refuse


@pytest.fixture(scope="session")
def chromium_path(missing: Callable[[str], NoReturn]) -> str:
    return shutil.which("chromium") or shutil.which("chromium-browser") or missing("chromium is not installed")


@pytest.fixture(scope="session")
def site_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What makes a demo one whose answers last until a test has seen them (`site_settings`)."""
    hurry = tmp_path_factory.mktemp("hurry") / "hurry"
    return {"DJANGO_SETTINGS_MODULE": "tests.browser.site_settings", "BROWSER_HURRY": str(hurry)}


@pytest.fixture(scope="session")
def demo(chromium_path: str, site_env: dict[str, str]) -> Iterator[Demo]:
    """One demo for all browser tests; each test makes conversations of its own."""
    with Demo(env=site_env | {"DEMO_TOKENS_PER_SECOND": "100"}) as running:
        yield running


@pytest.fixture(scope="session")
def cookies(demo: Demo) -> Callable[[str], str]:
    return log_in_once(demo)


# Not for the session: while Playwright's loop runs in this thread, no other module's async test could.
@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=list(CHROMIUM_FLAGS), timeout=WAIT_MS)
        yield chromium
        chromium.close()


@pytest.fixture
def person(browser: Any, demo: Demo, cookies: Callable[[str], str]) -> Iterator[Callable[..., Person]]:
    """`person("ann")`: somebody with a browser of their own, logged in. At the end nobody's console may hold an error,
    nothing may have broken the content security policy, and no other host may have been asked for anything."""
    people: list[Person] = []

    def come(name: str | None = "ann", **context: Any) -> Person:
        cookie = cookies(name) if name else ""
        people.append(Person(browser.new_context(**context), demo, cookie))
        return people[-1]

    yield come
    complaints = [complaint for someone in people for complaint in someone.complaints]
    for someone in people:
        someone.context.close()
    assert complaints == []
