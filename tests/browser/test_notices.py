"""What a hidden page tells: in its title, and outside of the page if somebody wants that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.axe import violations
from tests.browser.person import Person

pytestmark = pytest.mark.browser
Come = Callable[..., Person]

#: A headless browser never hides a page, and shows notices to nobody: both are played.
_PLAYED = """
Object.defineProperty(document, "visibilityState", { get: () => globalThis.isAway ? "hidden" : "visible" });
globalThis.notices = [];
globalThis.Notification = class {
  static permission = "default";
  static async requestPermission() { return (this.permission = globalThis.answer ?? "granted"); }
  constructor(title, { body }) { globalThis.notices.push(`${title}: ${body}`); }
};
"""
_GO_AWAY = "isAway => { globalThis.isAway = isAway; document.dispatchEvent(new Event('visibilitychange')); }"


def test_a_hidden_page_tells_that_an_answer_has_finished(person: Come) -> None:
    ann = person("ann")
    ann.page.add_init_script(_PLAYED)
    ann.start_conversation()
    ann.page.click(".sidebar-foot button")
    ann.page.check("#notices")
    ann.page.wait_for_function("() => notices.length === 1")
    assert violations(ann.page) == []
    ann.page.keyboard.press("Escape")
    ann.page.evaluate(_GO_AWAY, True)
    ann.ask("Tell me a slow and long story about winter")
    ann.page.wait_for_selector(f'.entry[data-conversation="{ann.conversation}"][data-answering]')
    ann.wait_text(20)
    ann.page.press("#composer-text", "Escape")
    # Others of her conversations may have something new as well.
    ann.page.wait_for_function("() => /^\\(\\d+\\) Answer finished · /.test(document.title)")
    ann.page.wait_for_function("() => notices.length === 2")
    assert ann.page.evaluate("notices[1]").endswith(": Answer finished")
    ann.page.evaluate(_GO_AWAY, False)
    ann.page.wait_for_function("() => !document.title.includes('Answer finished')")


def test_a_browser_that_refuses_notices_is_explained(person: Come) -> None:
    ann = person("ann")
    ann.page.add_init_script(_PLAYED + "globalThis.answer = 'denied';")
    ann.go().page.click(".sidebar-foot button")
    assert not ann.page.is_visible("#notices-refused")
    ann.page.click("#notices")
    ann.page.wait_for_selector("#notices-refused:visible")
    assert not ann.page.is_checked("#notices")
    assert violations(ann.page) == []
