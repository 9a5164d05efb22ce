"""The client module carries front ends that are not ours: its README's examples, in a real browser and a real site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import client_module
from tests.browser.person import Person
from tests.browser.test_connection import CUT
from tests.npm import npm_packages

pytestmark = pytest.mark.browser
Come = Callable[..., Person]


@pytest.fixture(scope="module")
def npm_react(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm_packages(tmp_path_factory.mktemp("npm"), "react@19", "react-dom@19")


def wait_longer(ann: Person, characters: int) -> None:
    """Until every look at the answer shows more than so many characters."""
    ann.page.wait_for_function(
        "(most) => document.querySelector('output') !== null"
        " && [...document.querySelectorAll('output')].every(({ textContent }) => textContent.length > most)",
        arg=characters,
    )


def live_an_answer(ann: Person) -> None:
    """Asks, loses the line, reloads in the middle, stops: the text goes on each time and ends as the row has it."""
    ann.page.fill("[name=text]", "A slow and long story please")
    ann.page.press("[name=text]", "Enter")
    wait_longer(ann, 50)
    ann.expect(CUT)
    ann.context.set_offline(True)
    ann.context.set_offline(False)
    wait_longer(ann, len(ann.page.inner_text("output >> nth=0")) + 50)
    before = len(ann.page.inner_text("output >> nth=0"))
    ann.page.reload()
    wait_longer(ann, before)
    ann.page.click("#stop")
    ann.page.wait_for_selector('output[title="stopped"]')
    shown = ann.page.eval_on_selector_all("output", "all => all.map(({ textContent }) => textContent)")
    assert set(shown) == set(ann.row_sources())


def test_the_example_without_a_framework_shows_an_answer_over_a_cut_a_reload_and_a_stop(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    body = client_module.PLAIN_PAGE.replace("<output", f'<output data-conversation="{ann.conversation}"')
    client_module.open_page(ann, body, client_module.example("plain"), {})
    live_an_answer(ann)


def test_the_react_hook_shows_an_answer_over_a_cut_a_reload_and_a_stop(person: Come, npm_react: Path) -> None:
    ann = person("ann")
    ann.start_conversation()
    modules = client_module.react_modules(npm_react) | {"example": client_module.example("react")}
    body = f'<div id="root" data-conversation="{ann.conversation}"></div>'
    client_module.open_page(ann, body, client_module.REACT_APP, modules)
    live_an_answer(ann)
    assert ann.page.inner_text("[role=alert]") == ""
    ann.page.fill("[name=text]", " ")
    ann.page.press("[name=text]", "Enter")
    ann.page.wait_for_selector("[role=alert]:text('empty_message')")


def test_the_hook_of_the_readme_is_short() -> None:
    lines = [line for line in client_module.example("react").splitlines() if line.strip()]
    assert len(lines) <= 45
