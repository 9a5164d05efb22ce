"""Several people: the dialog, invitations, roles, reply policy, who is here, and what a private conversation keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.axe import violations
from tests.browser.person import Person

pytestmark = pytest.mark.browser
Come = Callable[..., Person]
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dialog_has_no_barriers_and_fits_a_phone(person: Come, scheme: str) -> None:
    ann = person("ann", color_scheme=scheme, **PHONE)
    ann.start_conversation()
    ann.page.click(".people-button")
    ann.page.click("#people button:text('Make a link')")
    ann.page.wait_for_selector("#invite-url")
    assert violations(ann.page) == []
    assert ann.page.evaluate("document.querySelector('#people').scrollWidth <= innerWidth")
    wide = "[...document.querySelectorAll('#people *')].filter((e) => e.getBoundingClientRect().right > innerWidth)"
    assert ann.page.evaluate(f"{wide}.length") == 0
    ann.page.keyboard.press("Escape")
    assert ann.page.evaluate("document.querySelector('#people').open") is False


def test_a_link_lets_somebody_in_who_is_seen_and_answered_when_asked(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    ann.start_conversation()
    ann.page.click(".people-button")
    ann.page.select_option("#reply-policy", "mention")
    ann.page.click("#people button:text('Make a link')")
    link = ann.page.wait_for_selector("#invite-url").input_value()
    ann.page.keyboard.press("Escape")
    bob.page.goto(link)
    assert "ann invites you to this conversation" in bob.page.inner_text("main")
    assert violations(bob.page) == []
    bob.page.click("button:text('Join')")
    bob.wait_live()
    ann.page.wait_for_selector("#people-count:text-is('2')")
    ann.page.wait_for_selector("#people-here:text('1 here')")
    ann.watch("document.querySelector('#typing').textContent")
    bob.page.type("#composer-text", "Hi")
    ann.until("seen.some((line) => line.startsWith('bob is writing'))")
    bob.ask("Hi Ann, just us two")
    ann.page.wait_for_selector(".message-text:has-text('just us two')")
    assert ann.page.locator('.message[data-role="assistant"]').count() == 0
    bob.ask("@assistant and you?")
    ann.wait_state("done")
    bob.go()
    ann.page.wait_for_selector("#people-here", state="hidden")


def test_roles_change_and_people_go_while_everybody_looks(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    ann.expect("403")
    ann.start_conversation()
    ann.invite("bob")
    bob.open(ann.page.url)
    ann.page.click(".people-button")
    row = ann.page.locator(".person:has-text('bob')")
    row.locator("select").select_option("viewer")
    bob.page.wait_for_selector("text=You may read along here, but not write.")
    ann.page.locator(".person:has-text('(you)') select").select_option("member")
    ann.page.wait_for_selector("#people-alert:text('A conversation keeps at least one owner.')")
    row.get_by_role("button", name="Remove bob").click()
    row.wait_for(state="detached")
    bob.page.wait_for_selector("#farewell:text('You no longer take part in this conversation.')")
    bob.page.wait_for_selector(".dock", state="hidden")


def test_whoever_is_removed_does_not_come_back_by_the_link(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    bob.expect("404")
    ann.start_conversation()
    ann.page.click(".people-button")
    ann.page.click("#people button:text('Make a link')")
    link = ann.page.wait_for_selector("#invite-url").input_value()
    bob.page.goto(link)
    bob.page.click("button:text('Join')")
    bob.wait_live()
    row = ann.page.locator(".person:has-text('bob')")
    row.locator("summary").click()
    assert "The invitation link is reset too" in row.inner_text()
    assert violations(ann.page) == []
    row.locator("button:text('Remove')").click()
    row.wait_for(state="detached")
    ann.page.wait_for_selector("#people-told:has-text('the old one lets nobody in')")
    assert bob.page.goto(link).status == 404
    assert bob.page.goto(ann.page.input_value("#invite-url")).status == 200


def test_a_private_conversation_stays_private(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    bob.expect("404")
    private = ann.start_conversation()
    ann.ask("empty: a secret")
    ann.wait_state("done")
    ann.page.reload()
    ann.wait_live()
    ann.page.click(".people-button")
    assert "They get a copy of this conversation" in ann.page.inner_text("#people")
    ann.page.keyboard.press("Escape")
    ann.invite("bob")
    group = ann.page.url.partition("#")[0]
    assert group != private
    bob.open(group)
    assert "a secret" in bob.page.inner_text("#messages")
    assert bob.page.goto(private).status == 404


def test_a_link_that_was_reset_leads_nowhere(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    bob.expect("404")
    ann.start_conversation()
    links = []
    for name in ("Make a link", "Reset link"):
        if not ann.page.is_visible("#people"):
            ann.page.click(".people-button")
        ann.page.click(f"#people button:text('{name}')")
        ann.page.wait_for_selector("#people button:text('Reset link')")
        ann.page.wait_for_function(
            "(before) => document.querySelector('#invite-url')?.value !== before", arg=links[-1] if links else ""
        )
        links.append(ann.page.input_value("#invite-url"))
    assert bob.page.goto(links[0]).status == 404
    assert "does not work, or not any more" in bob.page.inner_text("main")
    assert bob.page.goto(links[1]).status == 200
