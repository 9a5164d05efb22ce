"""When the line is cut, the server dies or the reader leaves, the page says so, keeps everything and comes back."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.acceptance.rig import Demo
from tests.browser.person import ANSWER, Person

pytestmark = pytest.mark.browser
Come = Callable[..., Person]
CUT = r"WebSocket connection to .* failed|ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_RE"
GOES_ON = "The server that was answering is gone; another one goes on."


def test_the_connection_line_tells_of_a_cut_and_the_answer_is_whole_afterwards(person: Come) -> None:
    ann = person("ann")
    ann.expect(CUT)
    ann.start_conversation()
    ann.ask("A slow and long story please")
    ann.wait_text(50)
    ann.context.set_offline(True)
    ann.page.wait_for_selector('.connection[data-state="offline"]')
    assert ann.page.inner_text(".connection-text") == "Offline"
    assert ann.page.is_visible(".connection-retry")
    ann.context.set_offline(False)
    ann.wait_live()
    ann.wait_text(len(ann.answer()) + 50)
    ann.page.click("#send")
    ann.wait_state("stopped")
    assert [ann.answer()] == ann.row_texts()


def test_what_is_written_while_offline_is_sent_once_when_the_line_is_back(person: Come) -> None:
    ann = person("ann")
    ann.expect(CUT)
    ann.start_conversation()
    ann.context.set_offline(True)
    ann.page.wait_for_selector('.connection[data-state="offline"]')
    ann.ask("Written in the dark")
    ann.page.wait_for_selector('.message[data-state="unsent"]')
    ann.context.set_offline(False)
    ann.wait_state("done")
    assert ann.questions() == ["Written in the dark"]
    assert ann.page.locator(".message").count() == 2


def test_an_unsent_message_survives_a_reload_and_is_sent_under_the_same_id(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    # The message reaches the server, its answer never comes back: the page cannot know, and must send it again.
    ann.page.evaluate(
        """() => {
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (data) {
            if (data.includes("message.send")) {
              this.onmessage = null;
              this.onclose = null;
            }
            return send.call(this, data);
          };
        }"""
    )
    ann.ask("Only once please")
    ann.page.wait_for_selector('.message[data-state="sending"]')
    ann.page.reload()
    ann.wait_state("done")
    assert ann.questions() == ["Only once please"]
    assert ann.page.locator('.message[data-role="user"]').count() == 1
    assert ann.page.evaluate("sessionStorage.length") == 0


def test_a_draft_survives_a_reload_and_belongs_to_its_conversation(person: Come) -> None:
    ann = person("ann")
    first = ann.start_conversation()
    ann.page.type("#composer-text", "half a thought")
    ann.page.reload()
    assert ann.page.input_value("#composer-text") == "half a thought"
    ann.start_conversation()
    assert ann.page.input_value("#composer-text") == ""
    ann.open(first)
    assert ann.page.input_value("#composer-text") == "half a thought"


def test_a_refused_message_comes_back_with_the_reason(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("x" * 32_001)
    ann.page.wait_for_selector("#composer-alert:visible")
    assert "has 32,001 characters" in ann.page.inner_text("#composer-alert")
    assert len(ann.page.input_value("#composer-text")) == 32_001
    assert ann.page.locator(".message").count() == 0
    ann.ask("shorter")
    ann.wait_state("done")
    assert ann.page.is_hidden("#composer-alert")


def test_when_another_server_goes_on_the_page_shows_where(person: Come, demo: Demo) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("A long story please")
    ann.wait_text(200)
    ann.page.evaluate(_WATCH_WAITING)
    killed = demo.kill("worker 1")
    ann.page.wait_for_selector(".seam", state="attached")
    ann.hears(GOES_ON)
    assert ann.said().count(GOES_ON) == 1
    ann.wait_text(len(ann.answer()) + 100)
    changes = ann.page.evaluate("window.seen")
    waited, went_on = next(one for one in changes if one["note"] == GOES_ON), changes[-1]
    assert (waited["note"], waited["cursor"]) == (GOES_ON, "none")
    assert (went_on["note"], went_on["cursor"]) == ("", "blink")
    # It stands in the block in which the other one went on, once those before it are no preview any more.
    ann.until(f"({_TEXT_BEFORE_SEAM})().trim() !== ''")
    before = ann.page.evaluate(_TEXT_BEFORE_SEAM).split()
    assert "".join(waited["text"].split()).startswith("".join(before))
    assert ann.page.get_by_role("img", name="Continued by another server").count() == 1
    ann.page.click("#send")
    ann.wait_state("stopped")
    assert [ann.answer()] == ann.row_texts()
    assert "".join(ann.page.evaluate(_COPIED).split()) == ann.answer()
    demo.wait_restarted("worker 1", killed)


def test_a_killed_web_process_costs_nothing_but_a_moment(person: Come, demo: Demo) -> None:
    ann = person("ann")
    ann.expect(CUT)
    ann.start_conversation()
    ann.ask("A slow and long story please")
    ann.wait_text(50)
    ann.watch("document.querySelector('.connection').dataset.state")
    killed = demo.kill("web 1")
    ann.until("seen.some((state) => state !== 'live')")
    demo.wait_restarted("web 1", killed)
    ann.wait_live()
    ann.wait_text(len(ann.answer()) + 50)
    ann.page.click("#send")
    ann.wait_state("stopped")
    assert [ann.answer()] == ann.row_texts()


def test_after_logging_out_elsewhere_the_page_asks_to_log_in(person: Come) -> None:
    ann = person(None)
    ann.go()
    ann.page.fill("#id_login", "ann")
    ann.page.fill("#id_password", ann.demo.passwords()["ann"])
    ann.page.click("button[type=submit]")
    ann.start_conversation()
    other = ann.new_tab()
    other.goto(ann.demo.url)
    other.click("[popovertarget=account-menu]")
    other.click("#account-menu form[action*=logout] button")
    ann.page.wait_for_url("**/accounts/login/**")


def test_what_one_person_wrote_is_not_sent_in_the_name_of_the_next(person: Come, cookies: Callable[[str], str]) -> None:
    ann = person("ann")
    ann.expect(CUT)
    ann.start_conversation()
    ann.invite("bob")
    ann.context.set_offline(True)
    ann.page.wait_for_selector('.connection[data-state="offline"]')
    ann.ask("Written by ann")
    ann.page.wait_for_selector('.message[data-state="unsent"]')
    ann.use_cookie(cookies("bob"))
    ann.context.set_offline(False)
    ann.page.wait_for_selector(".sidebar-name:text-is('bob')")
    ann.wait_live()
    assert ann.page.locator(".message").count() == 0
    assert ann.questions() == []
    ann.use_cookie(cookies("ann"))
    ann.page.reload()
    ann.wait_state("done")
    assert ann.questions() == ["Written by ann"]


def test_while_the_queue_is_away_the_page_says_so_and_the_answer_comes_later(person: Come, demo: Demo) -> None:
    ann = person("ann")
    ann.expect(CUT)
    ann.start_conversation()
    demo.signal("valkey", signal.SIGSTOP)
    try:
        ann.ask("Hello, queue")
        ann.page.wait_for_selector(f"{ANSWER} .message-note:text-matches('queue')")
    finally:
        demo.signal("valkey", signal.SIGCONT)
    ann.wait_state("done")
    assert [ann.answer()] == ann.row_texts()
    assert ann.questions() == ["Hello, queue"]


# What the answer shows when it begins to wait and when it goes on: both may be for a moment only.
_WATCH_WAITING = """() => {
  const [message] = document.querySelectorAll(".message[data-role=assistant]");
  const text = message.querySelector(".message-text");
  window.seen = [];
  new MutationObserver(() => window.seen.push({
    note: message.querySelector(".message-note").textContent,
    cursor: getComputedStyle(text.querySelector("[data-cursor]"), "::after").animationName,
    text: text.textContent,
  })).observe(message, { attributeFilter: ["data-waiting"] });
}"""

_TEXT_BEFORE_SEAM = """() => {
  const range = document.createRange();
  range.selectNodeContents(document.querySelector(".seam").closest(".message-text"));
  range.setEndBefore(document.querySelector(".seam"));
  return range.toString();
}"""

# What a copy of the answer would hold: not the mark, which stands in the middle of the selection.
_COPIED = """() => {
  const text = document.querySelector(".seam").closest(".message-text");
  getSelection().selectAllChildren(text);
  return getSelection().toString();
}"""
