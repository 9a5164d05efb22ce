"""The list of conversations beside the page: live marks, titles, renaming, deleting and taking back, searching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.axe import violations
from tests.browser.person import Person

pytestmark = pytest.mark.browser
Come = Callable[..., Person]
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


def entry(someone: Person, conversation: str) -> Any:
    return someone.page.locator(f'.entry[data-conversation="{conversation}"]')


def open_menu(someone: Person, conversation: str) -> None:
    entry(someone, conversation).locator("a").focus()
    someone.page.keyboard.press("Tab")
    someone.page.keyboard.press("Enter")
    someone.page.wait_for_selector("#entry-menu:popover-open")


def test_others_see_where_something_is_new_and_where_somebody_is_answered(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    ann.start_conversation()
    ann.invite("bob")
    bob.go()
    shared = ann.conversation
    entry(bob, shared).wait_for()
    ann.ask("Tell me a slow and long story about winter")
    bob.page.wait_for_selector(f'.entry[data-conversation="{shared}"][data-answering]')
    assert "answering" in entry(bob, shared).locator("a").inner_text()
    ann.page.press("#composer-text", "Escape")
    ann.wait_state("stopped")
    bob.page.wait_for_selector(f'.entry[data-conversation="{shared}"][data-unread]:not([data-answering])')
    bob.open(ann.page.url)
    bob.page.wait_for_selector(f'.entry[data-conversation="{shared}"]:not([data-unread])')
    bob.go().page.wait_for_selector(f'.entry[data-conversation="{shared}"]:not([data-unread])')


def test_renaming_deleting_and_undo_by_keyboard(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    ann.start_conversation()
    ann.invite("bob")
    shared, address = ann.conversation, ann.page.url
    bob.open(address)
    ann.go()
    entry(ann, shared).wait_for()
    open_menu(ann, shared)
    ann.page.keyboard.press("Enter")  # the first one: rename
    ann.page.wait_for_selector("#rename[open]")
    assert violations(ann.page) == []
    ann.page.keyboard.type("Winter\u202e <b>tales</b>")
    ann.page.keyboard.press("Enter")
    title = "Winter <b>tales</b>"
    ann.page.wait_for_selector(f'.entry[data-conversation="{shared}"] .entry-title:text-is("{title}")')
    bob.page.wait_for_selector(f'#title:text-is("{title}")')
    open_menu(ann, shared)
    ann.page.keyboard.press("ArrowDown")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_selector(".toast")
    assert title in ann.page.inner_text(".toast [role=status]")
    bob.page.wait_for_selector("#farewell:text('ann deleted this conversation.')")
    assert not bob.page.is_visible("#composer")
    entry(bob, shared).wait_for(state="detached")
    ann.page.click(".toast button")
    entry(ann, shared).wait_for()
    bob.page.wait_for_selector("#composer")  # the page came back by itself


def test_searching_leads_to_an_old_message(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("empty: where is the xylophone?")
    ann.wait_state("done")
    found = ann.conversation
    ann.go().page.wait_for_selector(".entry")
    ann.page.keyboard.press("Control+k")
    ann.page.wait_for_selector("#search[open]")
    ann.page.fill("#search-query", "xylophone where")
    ann.page.wait_for_selector(".search-hits .hit-excerpt mark")
    assert violations(ann.page) == []
    ann.page.keyboard.press("ArrowDown")
    while ann.page.evaluate("document.activeElement.querySelector('.hit-excerpt') === null"):
        ann.page.keyboard.press("ArrowDown")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_url(f"**/conversations/{found}/?at=*")
    ann.wait_live()
    assert "xylophone" in ann.page.inner_text(".message:target")
    ann.page.keyboard.press("Control+k")
    ann.page.fill("#search-query", "nothing is called like this")
    ann.page.wait_for_selector("#search-said:text('Nothing was found.')")


def test_the_list_works_on_a_phone_and_without_javascript(person: Come) -> None:
    ann = person("ann", **PHONE)
    ann.start_conversation()
    ann.page.click("#sidebar-open")
    ann.page.locator(".entry-more").first.click()
    ann.page.wait_for_selector("#entry-menu:popover-open")
    box = ann.page.locator("#entry-menu").bounding_box()
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    plain = person("ann", java_script_enabled=False).go()
    assert not plain.page.locator(".entry-more").first.is_visible()
    plain.page.click(".sidebar-search")
    plain.page.fill("[role=search] input >> visible=true", "ann")
    plain.page.click("main [role=search] button")
    plain.page.locator(".search-hits a").first.wait_for()
