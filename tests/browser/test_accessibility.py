"""Each state of the pages before axe-core, in both schemes; and what it cannot see: other languages and directions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.axe import violations
from tests.browser.person import Person

pytestmark = pytest.mark.browser
Come = Callable[..., Person]
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@SCHEMES
def test_login_and_list_have_no_barriers(person: Come, scheme: str) -> None:
    nobody = person(None, color_scheme=scheme).go()
    assert violations(nobody.page) == []
    ann = person("ann", color_scheme=scheme)
    ann.start_conversation()
    ann.go()
    assert violations(ann.page) == []
    ann.page.click("[popovertarget=account-menu]")
    assert violations(ann.page) == []


@SCHEMES
def test_a_conversation_has_no_barriers_idle_answering_and_failed(person: Come, scheme: str) -> None:
    ann = person("ann", color_scheme=scheme)
    ann.start_conversation()
    assert violations(ann.page) == []
    ann.ask("A slow and long story please")
    ann.wait_text(60)
    ann.ask("And another one")  # it waits behind the first
    ann.page.wait_for_selector('.message[data-state="waiting"]')
    assert violations(ann.page) == []
    ann.page.press("#composer-text", "Escape")
    ann.wait_state("done")
    ann.ask("Please show an error")
    ann.wait_state("interrupted")
    assert violations(ann.page) == []


def test_axe_sees_a_barrier_where_there_is_one(person: Come) -> None:
    ann = person("ann").go()
    ann.page.evaluate("document.querySelector('[popovertarget=account-menu]').removeAttribute('aria-label')")
    assert any(line.startswith("button-name") for line in violations(ann.page))


def test_a_chosen_scheme_is_there_before_the_first_frame_and_after_the_next_page(person: Come) -> None:
    ann = person("ann", color_scheme="light").go()
    light = ann.page.evaluate("getComputedStyle(document.body).backgroundColor")
    ann.page.click("[popovertarget=account-menu]")
    ann.page.click("#account-menu button:text('Dark')")
    ann.page.wait_for_selector("html[data-theme=dark]")
    dark = ann.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    ann.start_conversation()
    assert ann.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_a_page_in_german_speaks_german_also_where_its_modules_write(person: Come) -> None:
    ann = person("ann", locale="de-DE")
    ann.start_conversation()
    assert ann.page.get_attribute("html", "lang") == "de"
    ann.ask("Please show an error")
    ann.wait_state("interrupted")
    assert ann.note() == "Das Demo-Modell hat abgebrochen, wie gewünscht."
    ann.hears("Nachricht gesendet")
    assert violations(ann.page) == []


def test_right_to_left_mirrors_the_page_and_nothing_sticks_out(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("שלום עולם")
    ann.wait_state("done")
    ann.page.evaluate("document.documentElement.dir = 'rtl'")
    width = ann.page.viewport_size["width"]
    assert ann.page.locator("#sidebar").bounding_box()["x"] > width / 2
    send = ann.page.locator("#send").bounding_box()
    assert send["x"] < ann.page.locator("#composer-text").bounding_box()["x"] + 100
    assert ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    question = ann.page.locator('.message[data-role="user"] .message-text')
    assert question.evaluate("element => getComputedStyle(element).direction") == "rtl"


def test_the_sheet_of_keys_opens_and_closes_by_keys_and_gives_the_focus_back(person: Come) -> None:
    ann = person("ann")
    address = ann.start_conversation()
    ann.page.focus("#composer-text")
    ann.page.keyboard.press("?")
    assert ann.page.input_value("#composer-text") == "?"
    ann.page.fill("#composer-text", "")
    ann.page.focus("#transcript")
    ann.page.keyboard.press("?")
    ann.page.wait_for_selector("#shortcuts[open]")
    assert violations(ann.page) == []
    ann.page.keyboard.press("Escape")
    ann.until("document.activeElement.id === 'transcript'")
    ann.page.keyboard.press("Control+Shift+O")
    ann.page.wait_for_url(lambda url: url != address)


def test_answers_are_read_by_paragraph_and_shown_when_finished_if_so_wished(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.page.click("[popovertarget=account-menu]")
    ann.page.select_option("#read-aloud", "paragraph")
    ann.page.check("#calm")
    ann.page.keyboard.press("Escape")
    ann.ask("A slow and long story in markdown please")
    ann.wait_text(60)
    assert not ann.page.locator('.message[data-role="assistant"] .message-text').is_visible()
    ann.until("announced.filter((line) => !['Message sent', 'demo is answering'].includes(line)).length >= 2")
    with ann.hurrying():
        ann.wait_state("done")
    ann.page.locator('.message[data-role="assistant"] .message-text').wait_for()
    ann.page.reload()
    ann.wait_live()
    assert ann.page.input_value("#read-aloud") == "paragraph"
    assert ann.page.is_checked("#calm")
