"""Answers in a real browser: what the page shows in the end is, character for character, what the row holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.person import Person
from tests.browser.reopening import reopen_lanes

pytestmark = pytest.mark.browser
Come = Callable[..., Person]
#: An answer that runs until it is stopped, or told to hurry.
MINUTES = "A slow and long story please"
WITH_CODE = "Show me code and unicode, slow and long"


def test_an_answer_appears_piece_by_piece_and_ends_as_the_row_has_it(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.page.evaluate(_WATCH_PIECES)
    ann.ask(WITH_CODE)
    ann.until("new Set(pieces).size >= 5")
    with ann.hurrying():
        ann.wait_state("done")
    final = ann.answer()
    assert [final] == ann.row_texts()
    parts = {"".join(part.split()) for part in ann.page.evaluate("window.pieces")}
    assert all(final.startswith(part) for part in parts)


def test_reloads_in_the_middle_lose_and_repeat_nothing(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("A slow and long unicode story please")
    length = 0
    for _ in range(4):
        ann.wait_text(length + 30)
        length = len(ann.answer())
        ann.page.reload()
        ann.wait_live()
        ann.wait_text(length)
    ann.page.click("#send")
    ann.wait_state("stopped")
    assert [ann.answer()] == ann.row_texts()
    assert ann.questions() == ["A slow and long unicode story please"]


def test_a_reload_in_the_middle_of_an_answer_that_completes(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask(WITH_CODE)
    ann.wait_text(20)
    ann.page.reload()
    ann.wait_state("answering")
    with ann.hurrying():
        ann.wait_state("done")
    assert [ann.answer()] == ann.row_texts()


def test_a_second_tab_shows_the_same_and_can_stop_it(person: Come) -> None:
    ann = person("ann")
    address = ann.start_conversation()
    ann.ask(MINUTES)
    ann.wait_text(40)
    tab = ann.new_tab()
    tab.goto(address)
    ann.wait_text(60, tab)
    assert tab.get_attribute("#send", "aria-label") == "Stop"
    tab.click("#send")
    ann.wait_state("stopped", tab)
    ann.wait_state("stopped")
    assert [ann.answer()] == [ann.answer(tab)] == ann.row_texts()
    assert len(ann.answer()) >= 60
    assert ann.note() == "Stopped."


def test_somebody_who_joins_midway_sees_the_whole_answer(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    address = ann.start_conversation()
    ann.invite("bob")
    ann.ask(WITH_CODE)
    ann.wait_text(60)
    bob.open(address)
    bob.wait_state("answering")
    with ann.hurrying():
        ann.wait_state("done")
        bob.wait_state("done")
    assert [ann.answer()] == [bob.answer()] == ann.row_texts()


def test_people_see_each_other_write_and_ask(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    address = ann.start_conversation()
    ann.invite("bob")
    bob.open(address)
    ann.watch("document.querySelector('#typing').textContent")
    bob.page.type("#composer-text", "Hello ann")
    ann.until("seen.includes('bob is writing…')")
    bob.page.press("#composer-text", "Enter")
    ann.page.wait_for_selector(".message-text:has-text('Hello ann')")
    ann.until("document.querySelector('#typing').textContent === ''")
    ann.hears("bob: Hello ann")


def test_a_follow_up_waits_and_is_answered_below_its_own_question(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask(WITH_CODE)
    ann.wait_text(20)
    ann.ask("Second question")
    ann.page.wait_for_selector('.message[data-state="waiting"]')
    with ann.hurrying():
        ann.until("document.querySelectorAll('.message[data-state=done]').length === 4")
    order = ann.page.eval_on_selector_all(".message", "elements => elements.map((e) => e.dataset.role)")
    assert order == ["user", "assistant", "user", "assistant"]
    assert ann.answers() == ann.row_texts()


def test_a_broken_answer_keeps_its_text_and_can_be_tried_again(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("Please show an error")
    ann.wait_state("interrupted")
    [kept] = ann.row_texts()
    assert ann.answer() == kept != ""
    assert "broke off" in ann.note()
    ann.page.click(".message-retry:visible")
    ann.page.wait_for_selector(".version-number:text-is('2/2')")
    ann.wait_state("interrupted")
    ann.page.wait_for_selector(".message-retry:visible")  # the row comes a moment after the stream's end
    assert ann.page.locator(".message-retry:visible").count() == 1
    assert ann.questions() == ["Please show an error"]


def test_an_answer_that_must_wait_for_its_provider_says_so_and_comes(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("Hit the rate limit")
    try:
        for _ in range(2):  # from the worker that was refused, then from the lane that is paused for everybody
            ann.page.wait_for_selector(
                ".message-note:text-matches('asked us to wait.*Trying again in [0-9]+ s'):visible, "
                ".wait-reason:text-matches('The provider asked us to wait'):visible"
            )
            ann.page.reload()
    finally:
        with ann.hurrying():
            reopen_lanes(ann.demo)
            ann.wait_state("done")
    assert [ann.answer()] == ann.row_texts()


def test_stop_works_before_the_first_word(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("Please think")
    ann.page.wait_for_selector(".message[data-state=answering] .skeleton", state="visible")
    assert ann.button() == "Stop"
    ann.page.press("#composer-text", "Escape")
    ann.wait_state("stopped")
    assert ann.button() == "Send"


@pytest.mark.parametrize("times", [3])
def test_leaving_the_page_and_coming_back_goes_on(person: Come, times: int) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask(MINUTES)
    for _ in range(times):
        ann.wait_text(30)
        ann.page.goto(ann.demo.url)
        ann.page.go_back()
        ann.wait_live()
    ann.page.click("#send")
    ann.wait_state("stopped")
    assert [ann.answer()] == ann.row_texts()


# Every text that the newest answer showed, however soon the next one came.
_WATCH_PIECES = """() => {
  window.pieces = [];
  new MutationObserver(() => {
    const answer = [...document.querySelectorAll(".message[data-role=assistant]")].at(-1);
    if (answer === undefined) return;
    const copy = answer.querySelector(".message-text").cloneNode(true);
    for (const button of copy.querySelectorAll("button")) button.remove();
    if (copy.textContent.trim() !== "") window.pieces.push(copy.textContent);
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
