"""Copying, editing, asking again, switching versions and withdrawing, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.axe import violations
from tests.browser.person import Person

pytestmark = pytest.mark.browser
Come = Callable[..., Person]
VERSIONS = ".message-versions:visible"


def questions(person: Person) -> list[str]:
    return [str(text) for text in person.page.locator('.message[data-role="user"] .message-text').all_text_contents()]


def wait_answers(person: Person, count: int) -> None:
    person.until(f"document.querySelectorAll('.message[data-role=assistant][data-state=done]').length === {count}")


def test_a_question_is_edited_and_both_versions_stay(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    address = ann.start_conversation()
    ann.invite("bob")
    ann.ask("Tell me about rivers")
    wait_answers(ann, 1)
    ann.ask("And lakes")
    wait_answers(ann, 2)
    bob.open(address)
    ann.write("a draft")
    ann.page.hover(".message >> nth=0")
    ann.page.click("[data-do=edit] >> nth=0")
    assert ann.page.input_value("#composer-text") == "Tell me about rivers"
    ann.ask("Tell me about seas")
    assert ann.page.input_value("#composer-text") == "a draft"
    for someone in (ann, bob):
        someone.page.wait_for_selector(".version-number:text-is('2/2')")
        wait_answers(someone, 1)
        assert questions(someone) == ["Tell me about seas"]
    ann.page.click(f"{VERSIONS} [data-do=before]")
    for someone in (ann, bob):
        someone.page.wait_for_selector(".version-number:text-is('1/2')")
        wait_answers(someone, 2)
        assert questions(someone) == ["Tell me about rivers", "And lakes"]
    assert ann.page.evaluate("document.activeElement.dataset.do") == "before"  # where a keyboard would go on
    ann.hears("Version 1 of 2")
    ann.page.reload()
    ann.wait_live()
    assert questions(ann) == ["Tell me about rivers", "And lakes"]


def test_arrow_up_edits_the_last_question_and_escape_leaves_it(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("First question")
    ann.wait_state("done")
    ann.page.press("#composer-text", "ArrowUp")
    ann.page.wait_for_selector("#editing", state="visible")
    assert ann.page.input_value("#composer-text") == "First question"
    ann.page.press("#composer-text", "Escape")
    assert ann.page.input_value("#composer-text") == ""
    assert not ann.page.is_visible("#editing")
    assert ann.questions() == ["First question"]


def test_an_answer_is_copied_and_asked_for_again_with_its_facts_below(person: Come) -> None:
    ann = person("ann", permissions=["clipboard-read", "clipboard-write"])
    ann.start_conversation()
    ann.ask("Show me some markdown")
    ann.wait_state("done")
    facts = ann.page.locator(".message-facts p").last
    facts.filter(has_text="tokens in").wait_for()
    before = facts.inner_text()
    ann.page.reload()
    ann.wait_live()
    facts.filter(has_text="tokens in").wait_for()
    assert facts.inner_text() == before
    ann.page.locator("[data-do=copy]").last.click()
    ann.hears("Copied")
    assert [ann.page.evaluate("navigator.clipboard.readText()")] == ann.row_sources()
    ann.page.locator("[data-do=again]").last.click()
    ann.page.wait_for_selector(".version-number:text-is('2/2')")
    ann.wait_state("done")
    assert len(ann.row_texts()) == 2


def test_waiting_questions_are_changed_in_their_place_or_withdrawn(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("A slow and long story please")
    ann.wait_text(20)
    for text in ("Oen", "Two"):
        ann.ask(text)
    ann.page.wait_for_selector(".message-note:has-text('2 of 2')")
    ann.page.locator("[data-do=withdraw]:visible").last.click()
    ann.page.wait_for_selector(".message-text:has-text('Two')", state="detached")
    ann.page.press("#composer-text", "ArrowUp")
    ann.ask("One")
    ann.page.wait_for_selector('.message[data-state="waiting"] .message-text:has-text("One")')
    ann.page.hover(".message >> nth=0")
    ann.page.click("[data-do=edit] >> nth=0")
    ann.ask("A short story")
    ann.page.wait_for_selector("#composer-alert:has-text('still being written')")
    assert ann.page.input_value("#composer-text") == "A short story"
    ann.page.press("#composer-text", "Escape")
    ann.page.click("#send")
    wait_answers(ann, 1)
    assert questions(ann) == ["A slow and long story please", "One"]


def test_on_a_phone_the_facts_are_folded(person: Come) -> None:
    ann = person("ann", viewport={"width": 390, "height": 800})
    ann.start_conversation()
    ann.ask("Hello")
    ann.wait_state("done")
    summary = ann.page.locator(".message-facts summary").last
    summary.wait_for()
    assert not ann.page.locator(".message-facts p").last.is_visible()
    summary.click()
    assert "demo" in ann.page.locator(".message-facts p").last.inner_text()


def test_everybody_sees_the_instructions_and_only_those_who_write_change_them(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    address = ann.start_conversation()
    ann.invite("bob")
    bob.open(address)
    ann.page.click("#instructions-open")
    ann.page.fill("#instructions-text", "Answer in verse.")
    ann.page.click("#instructions-form button")
    bob.page.click("#told-prompt button")
    assert bob.page.input_value("#instructions-text") == "Answer in verse."
    bob.page.keyboard.press("Escape")
    ann.page.reload()
    ann.page.click("#told-prompt button")
    assert ann.page.input_value("#instructions-text") == "Answer in verse."


def test_an_answer_is_rated_and_the_rating_stays_ones_own(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    ann.start_conversation()
    ann.invite("bob", "viewer")
    ann.ask("Tell me about rivers")
    wait_answers(ann, 1)
    bob.open(ann.page.url)
    ann.page.click("[data-do=good]:visible")
    ann.page.wait_for_selector("[data-do=good][aria-pressed=true]")
    ann.hears("Thank you for the rating")
    assert violations(ann.page) == []
    bob.page.click("[data-do=bad]:visible")  # a viewer reads too
    bob.page.wait_for_selector("[data-do=bad][aria-pressed=true]")
    bob.hears("Thank you for the rating")
    for someone, kept in ((ann, "good"), (bob, "bad")):
        someone.page.reload()
        someone.page.wait_for_selector(f"[data-do={kept}][aria-pressed=true]:visible")
        assert someone.page.locator("[aria-pressed=true]:visible").count() == 1
    ann.page.click("[data-do=good]:visible")
    ann.hears("Rating taken back")
    assert ann.page.locator(".message [aria-pressed=true]").count() == 0
