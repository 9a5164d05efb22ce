"""Somebody with a browser: what they do, in their words, and what their browser had to complain about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streaming.answer_blocks import answer_html, render_answer
from tests.acceptance.rig import Demo
from tests.unit.streaming.markup import judge

WAIT_MS = 90_000
ANSWER = '.message[data-role="assistant"]'

_WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


# The page takes what was said away again, after some seconds.
_REMEMBER_SAID = """
window.announced = [];
addEventListener("DOMContentLoaded", () => {
  const region = document.getElementById("announcer");
  const hear = (changes) => changes.forEach(({ addedNodes }) =>
    announced.push(...[...addedNodes].map((line) => line.textContent)));
  if (region !== null) new MutationObserver(hear).observe(region, { childList: true });
});
"""


def log_in_once(demo: Demo) -> Callable[[str], str]:
    """The session cookie of a person, who logs in once: the site limits how often one address may."""
    known: dict[str, str] = {}

    def cookie_of(name: str) -> str:
        if name not in known:
            known[name] = demo.session(name).cookie
        return known[name]

    return cookie_of


_WATCH = """(now) => {
  window.seen = [now()];
  const look = () => now() === seen.at(-1) || seen.push(now());
  new MutationObserver(look).observe(document.body,
    { subtree: true, childList: true, characterData: true, attributes: true });
}"""

#: The words of the page itself, on its buttons, are no part of an answer.
_SHOWN_TEXTS = """
elements => elements.map((element) => {
  const copy = element.cloneNode(true);
  for (const button of copy.querySelectorAll("button")) button.remove();
  return copy.textContent.replace(/\\s+/g, "");
})"""


def shown(source: str) -> str:
    """What an answer looks like once it is rendered, without blanks."""
    page = answer_html(source, render_answer(source)) or ""
    return "".join("".join(judge(page).text).split())


class Person:
    """One browser context; `page` is its first tab."""

    def __init__(self, context: Any, demo: Demo, cookie: str = "") -> None:
        self.context = context
        self.demo = demo
        self.complaints: list[str] = []
        #: Expected ones, as regular expressions: a test that cuts the line expects to read of it.
        self.expected: list[str] = []
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(_WATCH_POLICY)
        context.add_init_script(_REMEMBER_SAID)
        if cookie:
            self.use_cookie(cookie)
        self.page = self.new_tab()

    # Going places

    def use_cookie(self, cookie: str) -> None:
        pairs = (pair.split("=", 1) for pair in cookie.split("; "))
        self.context.add_cookies([{"name": name, "value": value, "url": self.demo.url} for name, value in pairs])

    def new_tab(self) -> Any:
        page = self.context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and self._complain(message.text))
        page.on("pageerror", lambda error: self._complain(f"uncaught: {error}"))
        page.on("request", lambda request: self._check_host(request.url))
        page.on("websocket", lambda socket: self._check_host(socket.url))
        return page

    def go(self, path: str = "") -> Person:
        self.page.goto(self.demo.url + path)
        return self

    def start_conversation(self) -> str:
        """Makes a conversation and waits until it is live; returns its address."""
        self.go().page.click(".welcome button")
        self.wait_live()
        return str(self.page.url)

    def open(self, address: str) -> Person:
        self.page.goto(address)
        self.wait_live()
        return self

    def invite(self, name: str, role: str = "member") -> None:
        """Into this conversation, or, if it was a private one, into its copy, where the page goes."""
        self.page.click(".people-button")
        self.page.fill("#people [name=username]", name)
        self.page.select_option("#people form:has([name=username]) [name=role]", role)
        self.page.click("#people button:text('Add')")
        self.page.wait_for_selector(f"#people .people-name:text-is('{name}')")
        self.wait_live()
        self.page.keyboard.press("Escape")
        self.page.wait_for_selector("#people", state="hidden")

    # Doing things

    def write(self, text: str) -> None:
        self.page.fill("#composer-text", text)

    def ask(self, text: str) -> None:
        self.write(text)
        self.page.press("#composer-text", "Enter")

    @contextmanager
    def hurrying(self) -> Iterator[None]:
        """Whatever the model still has to say comes at once, also what was slow so that a test could see it run."""
        file = Path(self.demo.env["BROWSER_HURRY"])
        file.touch()
        try:
            yield
        finally:
            file.unlink()

    # Seeing things

    def until(self, expression: str) -> None:
        """Until it is true in the page. As a function: the page's policy forbids to evaluate strings."""
        self.page.wait_for_function(f"() => {expression}")

    def watch(self, expression: str) -> None:
        """From now on `seen` holds everything that this expression was, however soon it became something else."""
        self.page.evaluate(f"() => {{ const now = () => {expression}; ({_WATCH})(now) }}")

    def wait_live(self, page: Any = None) -> None:
        (page or self.page).wait_for_selector('.connection[data-state="live"]')

    def wait_state(self, state: str, page: Any = None) -> None:
        """Until the newest answer is: answering, done, stopped, interrupted, failed."""
        (page or self.page).wait_for_function(
            "([answer, state]) => [...document.querySelectorAll(answer)].at(-1)?.dataset.state === state",
            arg=[ANSWER, state],
        )

    def wait_text(self, length: int, page: Any = None) -> None:
        """Until the newest answer shows at least so many characters."""
        (page or self.page).wait_for_function(
            "([answer, length]) => [...document.querySelectorAll(answer)].at(-1)"
            "?.querySelector('.message-text').textContent.length >= length",
            arg=[ANSWER, length],
        )

    def answer(self, page: Any = None) -> str:
        """The text of the newest answer, as the page shows it, without blanks."""
        return self.answers(page)[-1]

    def answers(self, page: Any = None) -> list[str]:
        texts: list[str] = (page or self.page).eval_on_selector_all(f"{ANSWER} .message-text", _SHOWN_TEXTS)
        return texts

    def note(self) -> str:
        return str(self.page.locator(f"{ANSWER} .message-note").last.inner_text())

    def said(self) -> list[str]:
        """What a screen reader was told on this page."""
        return [str(line) for line in self.page.evaluate("announced")]

    def hears(self, words: str) -> None:
        """Until a screen reader was told so, or more."""
        self.page.wait_for_function("(words) => announced.some((line) => line.includes(words))", arg=words)

    def button(self) -> str:
        return str(self.page.get_attribute("#send", "aria-label"))

    @property
    def conversation(self) -> str:
        found = re.search(r"conversations/([0-9a-f-]{36})", self.page.url)
        assert found is not None, self.page.url
        return found[1]

    def row_texts(self) -> list[str]:
        """The answers of this conversation as the database has them, as they look once they are rendered."""
        return [shown(source) for source in self.row_sources()]

    def row_sources(self) -> list[str]:
        """The answers' Markdown."""
        query = (
            "SELECT g.text FROM chat_message m JOIN streaming_generation g ON g.id = m.generation_id "
            "WHERE m.conversation_id = ? ORDER BY m.id"
        )
        return [str(row["text"]) for row in self.demo.rows(query, self.conversation.replace("-", ""))]

    def questions(self) -> list[str]:
        query = "SELECT text FROM chat_message WHERE conversation_id = ? AND role = 'user' ORDER BY id"
        return [str(row["text"]) for row in self.demo.rows(query, self.conversation.replace("-", ""))]

    # Complaints

    def expect(self, pattern: str) -> None:
        self.expected.append(pattern)

    def _complain(self, text: str) -> None:
        if not any(re.search(pattern, text) for pattern in self.expected):
            self.complaints.append(text)

    def _check_host(self, url: str) -> None:
        ours = urlsplit(self.demo.url).netloc
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != ours:
            self._complain(f"asked another host: {url}")
