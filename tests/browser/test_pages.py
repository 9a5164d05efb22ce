"""Logging in, getting lost, and what the pages promise to keyboards, screen readers, phones and strict browsers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.person import Person

pytestmark = pytest.mark.browser
Come = Callable[..., Person]
ROOT = Path(__file__).resolve().parents[2]
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


def test_somebody_logs_in_with_a_form_and_out_again(person: Come) -> None:
    ann = person(None).go()
    ann.page.fill("#id_login", "ann")
    ann.page.fill("#id_password", "wrong")
    ann.page.click("button[type=submit]")
    assert "not correct" in ann.page.inner_text("[role=alert]")
    ann.page.fill("#id_password", ann.demo.passwords()["ann"])
    ann.page.click("button[type=submit]")
    ann.page.wait_for_selector("text=Hello ann")
    ann.page.click("[popovertarget=account-menu]")
    ann.page.click("#account-menu button:text('Log out')")
    ann.page.wait_for_url("**/accounts/login/**")
    ann.page.go_back()
    ann.page.wait_for_url("**/accounts/login/**")  # nothing is shown from a cache


def test_what_is_unknown_and_what_is_not_yours_look_the_same(person: Come) -> None:
    ann, bob = person("ann"), person("bob")
    bob.expect("404")
    address = ann.start_conversation()
    pages = []
    for target in (address, f"{bob.demo.url}conversations/00000000-0000-0000-0000-000000000000/"):
        assert bob.page.goto(target).status == 404
        pages.append(bob.page.inner_text("main"))
    assert pages[0] == pages[1]


def test_sign_up_is_closed(person: Come) -> None:
    nobody = person(None).go("accounts/signup/")
    assert "Sign-up is closed" in nobody.page.inner_text("main")


@pytest.mark.parametrize("path", ["accounts/password/change/", "accounts/logout/"])
def test_the_account_pages_have_our_style(person: Come, path: str) -> None:
    ann = person("ann").go(path)
    assert ann.page.locator("main.card button[type=submit]").is_visible()


def test_history_shows_without_javascript(person: Come) -> None:
    ann = person("ann")
    address = ann.start_conversation()
    ann.ask("Is anybody <b>there</b> & listening?")
    ann.wait_state("done")
    reader = person("ann", java_script_enabled=False)
    reader.page.goto(address)
    texts = reader.page.locator(".message-text").all_text_contents()
    assert ["".join(text.split()) for text in texts] == ["".join(ann.questions()[0].split()), *ann.row_texts()]
    assert "allow JavaScript" in reader.page.inner_text("noscript")
    for part in ("#composer", ".connection", ".message-retry"):
        assert not reader.page.locator(part).first.is_visible(), part


def test_enter_sends_shift_enter_does_not_and_neither_does_an_input_method(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.page.type("#composer-text", "one")
    ann.page.press("#composer-text", "Shift+Enter")
    ann.page.type("#composer-text", "two")
    small = ann.page.locator("#composer-text").bounding_box()["height"]
    ann.page.press("#composer-text", "Shift+Enter")
    ann.page.type("#composer-text", "three")
    assert ann.page.locator("#composer-text").bounding_box()["height"] > small  # it grows
    ann.page.dispatch_event("#composer-text", "keydown", {"key": "Enter", "keyCode": 229})
    ann.page.dispatch_event("#composer-text", "keydown", {"key": "Enter", "isComposing": True})
    assert ann.page.input_value("#composer-text") == "one\ntwo\nthree"
    ann.page.press("#composer-text", "Enter")
    ann.wait_state("done")
    assert ann.questions() == ["one\ntwo\nthree"]
    assert ann.page.evaluate("document.activeElement.id") == "composer-text"


def test_on_a_phone_enter_is_a_new_line_and_the_list_is_out_of_reach_until_opened(person: Come) -> None:
    ann = person("ann", **PHONE)
    ann.start_conversation()
    ann.page.type("#composer-text", "one")
    ann.page.press("#composer-text", "Enter")
    assert ann.page.input_value("#composer-text") == "one\n"
    assert ann.page.evaluate("document.querySelector('#sidebar').inert") is True
    ann.page.click("#sidebar-open")
    assert ann.page.evaluate("document.querySelector('#sidebar').inert") is False
    assert ann.page.evaluate("document.activeElement.id") == "sidebar-close"
    ann.page.keyboard.press("Escape")
    assert ann.page.evaluate("document.activeElement.id") == "sidebar-open"
    assert ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_phone_shows_the_whole_name_of_the_model(person: Come) -> None:
    ann = person("ann", **PHONE)
    ann.start_conversation()
    shown = ann.page.evaluate("document.querySelector('#model').offsetWidth")
    assert shown == ann.page.evaluate("(document.querySelector('#model').style.maxWidth = 'none', model.offsetWidth)")


def test_a_phone_cuts_nothing_off_and_what_is_below_a_message_can_be_touched(person: Come) -> None:
    ann = person("ann", **PHONE)
    ann.start_conversation()
    ann.write("Hello")
    ann.page.click("#send")
    ann.wait_state("done")
    ann.page.locator("[data-do=edit]:visible").wait_for()
    for button in ann.page.locator(".message-foot button:visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 40, button.get_attribute("data-do")
    # What leaves the box of a message that is not the last one is not painted.
    assert ann.page.eval_on_selector_all(
        ".message-foot",
        "feet => feet.every((foot) => foot.getBoundingClientRect().bottom"
        " <= foot.closest('.message').getBoundingClientRect().bottom)",
    )
    for path in ("usage/", "search/?q=Hello", "accounts/api-keys/"):
        ann.go(path)
        assert ann.page.evaluate(
            "[...document.querySelectorAll('body, .usage-scroll')].every((box) => box.scrollWidth <= box.clientWidth)"
        ), path


def test_streamed_text_is_in_no_live_region_and_the_end_is_announced_once(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.page.evaluate(_LISTEN)
    ann.ask("Be brief")
    ann.wait_state("done")
    ann.hears("Answer finished")
    spoken = ann.page.evaluate("window.spoken.filter((text) => text !== '')")
    assert spoken[0] == "Message sent"
    assert spoken.count("demo is answering") == 1
    assert sum(text.startswith("Answer finished") for text in spoken) == 1
    answer = ann.answer()
    assert not any("".join(text.split()) in answer for text in spoken), "what was streamed was read out"


def test_the_reader_is_followed_only_at_the_end(person: Come) -> None:
    ann = person("ann", viewport={"width": 900, "height": 420})
    ann.start_conversation()
    ann.ask("A long story please")
    ann.page.evaluate("window.place = document.querySelector('#transcript')")
    at_end = "place.scrollHeight - place.scrollTop - place.clientHeight"
    ann.wait_text(900)
    ann.until(f"{at_end} <= 2")
    ann.page.hover("#transcript")
    ann.page.mouse.wheel(0, -60)
    ann.until(f"{at_end} > 40")
    top = ann.page.evaluate(_WHERE_IT_RESTS)
    ann.wait_text(len(ann.answer()) + 300)
    assert ann.page.evaluate("place.scrollTop") == top
    ann.page.click("#jump")
    ann.until(f"{at_end} <= 2")
    ann.wait_text(len(ann.answer()) + 200)
    ann.until(f"{at_end} <= 48")
    ann.page.press("#composer-text", "Escape")
    ann.wait_state("stopped")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast_and_targets_are_large_enough(person: Come, scheme: str) -> None:
    ann = person("ann", color_scheme=scheme)
    ann.start_conversation()
    ann.ask("Please show an error")
    ann.wait_state("interrupted")
    ann.page.click(".people-button")
    assert ann.page.evaluate(_LOW_CONTRAST) == []
    assert ann.page.evaluate(_SMALL_TARGETS) == []
    assert ann.page.evaluate(_NAMELESS) == []


def test_headings_lead_through_the_messages(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("Hello")
    ann.wait_state("done")
    headings = ann.page.get_by_role("heading", level=2).all_inner_texts()
    assert any(re.match(r"demo\s", heading) for heading in headings)
    assert ann.page.get_by_role("heading", level=1).count() == 1
    assert ann.page.locator("article").count() == 2


def test_no_page_has_inline_styles_or_handlers() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        assert not re.search(r"\s(style|on\w+)=|<style", path.read_text()), path


def test_no_module_writes_html() -> None:
    """Not even the one that may (chat/safe_html.js), which reads it into a document of its own."""
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(.style"
    for package in ("chat", "streaming"):
        for path in (ROOT / package / "static").rglob("*.js"):
            assert not re.search(forbidden, path.read_text()), path


# A wheel scrolls smoothly: where it has stood for half a second.
_WHERE_IT_RESTS = """async () => {
  let top = NaN;
  for (let looks = 0; looks < 100 && top !== place.scrollTop; looks++) {
    top = place.scrollTop;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return top;
}"""

# What a screen reader is told: everything that is added inside a live region.
_LISTEN = """() => {
  const live = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]:not([aria-live=off])";
  window.spoken = [];
  new MutationObserver((changes) => changes.forEach((change) => {
    const element = change.target.closest ? change.target : change.target.parentElement;
    if (element.closest(live) === null) return;
    window.spoken.push(...[...change.addedNodes].map((node) => node.textContent));
  })).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""

# Colours over the nearest opaque background, by the formula of WCAG 2.2; disabled and hidden text is exempt.
_LOW_CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (front, back) => front.slice(0, 3).map((c, i) => c * front[3] / 255 + back[i] * (1 - front[3] / 255));
  const background = (element) => {
    if (element === null) return rgba(getComputedStyle(document.body).backgroundColor).slice(0, 3);
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 255 ? own.slice(0, 3) : over(own, background(element.parentElement));
  };
  const luminance = (color) => color.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!hasText || !element.checkVisibility() || element.closest(".visually-hidden, script, option")) continue;
    const back = background(element);
    const front = over(rgba(getComputedStyle(element).color), back);
    const [light, dark] = [luminance(front), luminance(back)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) low.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""

_SMALL_TARGETS = """() => [
    ...document.querySelectorAll("button, select, input:not([type=hidden]), summary, .sidebar a")
  ]
  .filter((element) => element.checkVisibility() && !element.closest("[inert]"))
  .map((element) => [element.id || element.className || element.tagName, element.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24)
  .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)"""

_NAMELESS = """() => [...document.querySelectorAll("button, a, select, textarea, input:not([type=hidden])")]
  .filter((element) => element.checkVisibility())
  .filter((element) => !(element.ariaLabel || element.textContent.trim() || element.labels?.length))
  .map((element) => element.outerHTML)"""


def test_an_answer_without_text_says_so_live_and_after_a_reload(person: Come) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("empty please")
    ann.wait_state("done")
    assert (ann.answer(), ann.note()) == ("", "The model had nothing to say.")
    ann.page.reload()
    ann.wait_live()
    assert (ann.answer(), ann.note()) == ("", "The model had nothing to say.")
