"""A conversation shared by a link: made and ended in the dialog, read by somebody without an account."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.axe import violations
from tests.browser.person import Person

pytestmark = pytest.mark.browser
Come = Callable[..., Person]


def test_a_shared_copy_is_read_without_an_account_until_it_is_withdrawn(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("Show me every kind of Markdown")
    ann.wait_state("done")
    ann.page.click(".people-button")
    ann.page.click("#people [aria-labelledby=share-heading] button:text('Make a link')")
    ann.page.wait_for_selector("#share-url:visible")
    ann.wait_live()
    assert violations(ann.page) == []
    link = ann.page.input_value("#share-url")
    guest = person(None)
    guest.page.goto(link)
    guest.page.wait_for_selector(".shared .message[data-role=assistant]")
    assert guest.page.inner_text(".message[data-role=user] .message-text") == "Show me every kind of Markdown"
    assert guest.answer() == ann.row_texts()[0]
    assert violations(guest.page) == []
    assert guest.context.cookies() == []
    marks = guest.page.eval_on_selector_all(".avatar", "all => all.map(one => [one.clientWidth, one.clientHeight])")
    assert all(width == height > 20 for width, height in marks), marks
    width = guest.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0
    ann.page.click("#people [aria-labelledby=share-heading] button:text('Withdraw link')")
    ann.page.wait_for_selector("#share-url", state="detached")
    guest.expect("404")
    guest.page.reload()
    assert "does not work, or not any more" in guest.page.inner_text("main")
    assert violations(guest.page) == []
