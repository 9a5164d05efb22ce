"""PAGE: in a real browser a conversation of 2,000 messages is opened, and an answer of 100 KB streams into it."""

from __future__ import annotations

import shutil
from typing import Any

from tests.bench.machine import NotMeasured
from tests.bench.report import Result, percentile
from tests.bench.site import People, Site

MESSAGES = 2_000
OPEN_MS = 1_000
FRAME_MS = 50
#: About 4.3 characters a token.
SHORT, LONG = 2_400, 24_000
TOKENS_PER_S = 1_500

#: How long the loop was busy at a stretch, from the browser itself; and how far apart frames were.
_WATCH = """
window.seen = { tasks: [], frames: [], last: 0 };
new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });
const frame = (now) => {
  if (seen.last) seen.frames.push(now - seen.last);
  seen.last = now;
  requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
"""
_SCROLL = """async () => {
  const place = document.querySelector("#transcript");
  seen.frames.length = seen.tasks.length = 0;
  for (let step = 0; step < 120; step += 1) {
    place.scrollBy(0, -200);
    await new Promise(requestAnimationFrame);
  }
}"""


def page(quick: bool) -> Result:
    messages, long = (200, 4_800) if quick else (MESSAGES, LONG)
    result = Result("PAGE", "the page in Chromium: opening, scrolling, an answer that grows")
    script = "sim-rate={rate},paragraph=40,tokens={tokens}"
    models = {f"t{tokens}": script.format(rate=TOKENS_PER_S, tokens=tokens) for tokens in (SHORT, long)}
    with Site(models) as site:
        people = site.people(1)
        site.history(people, messages)
        with Browser(site, people) as browser:
            browser.open()
            opened = sorted(browser.open() for _ in range(5))
            result.add(f"{messages:,} messages: open and live, p50 of 5", percentile(opened, 50), "ms", at_most=OPEN_MS)
            result.add("the longest task while it opens", browser.longest_task(), "ms")
            browser.page.evaluate(_SCROLL)
            result.add(
                "scrolling 24,000 px up: frames apart, p95", percentile(browser.frames(), 95), "ms", at_most=FRAME_MS
            )
            for tokens in (SHORT, long):
                _stream(result, browser, tokens)
    result.notes.append(
        "Chromium without a display, beside the platform on the same processors; a task keeps the page from drawing."
    )
    return result


def _stream(result: Result, browser: Browser, tokens: int) -> None:
    chars, tasks, spent = browser.stream(f"t{tokens}")
    what = f"an answer of {chars / 1000:.0f} KB"
    result.add(f"{what}: tasks over {FRAME_MS} ms", sum(task > FRAME_MS for task in tasks), "", at_most=0)
    result.add(f"{what}: the longest task", max(tasks, default=0.0), "ms")
    result.add(f"{what}: script and layout per 1,000 characters", 1000 * spent / (chars / 1000), "ms")


class Browser:
    """One tab of one person."""

    def __init__(self, site: Site, people: People) -> None:
        self._site, self._people = site, people

    def __enter__(self) -> Browser:
        try:
            from playwright.sync_api import sync_playwright
        except ModuleNotFoundError:
            raise NotMeasured("playwright is not installed (extra test)") from None
        path = shutil.which("chromium")
        if path is None:
            raise NotMeasured("chromium is not installed")
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        context = self._chromium.new_context(viewport={"width": 1200, "height": 900})
        name, _, value = self._people.cookies[0].partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self._site.demo.url}])
        context.add_init_script(_WATCH)
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)
        self._session = context.new_cdp_session(self.page)
        self._session.send("Performance.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._chromium.close()
        self._playwright.stop()

    def open(self) -> float:
        """Milliseconds from the address until the page is drawn and its socket live."""
        self.page.goto(f"{self._site.demo.url}conversations/{self._people.conversations[0]}/")
        self.page.wait_for_selector('.connection[data-state="live"]')
        return float(self.page.evaluate("performance.now()"))

    def longest_task(self) -> float:
        return float(self.page.evaluate("Math.max(0, ...seen.tasks)"))

    def frames(self) -> list[float]:
        return [float(gap) for gap in self.page.evaluate("seen.frames")]

    def stream(self, model: str) -> tuple[int, list[float], float]:
        """Asks, and waits for the end: characters, long tasks in milliseconds, seconds of script and layout."""
        self.page.select_option("#model", model)
        self.page.evaluate("seen.tasks.length = 0")
        before = self._spent()
        answers = self.page.locator('.message[data-role="assistant"]')
        self.page.fill("#composer-text", "Go")
        self.page.press("#composer-text", "Enter")
        self.page.wait_for_selector('.message[data-role="assistant"][data-state="answering"]')
        self.page.wait_for_selector('.message[data-role="assistant"][data-state="answering"]', state="detached")
        spent = self._spent() - before
        chars = int(answers.last.locator(".message-text").evaluate("element => element.textContent.length"))
        return chars, [float(task) for task in self.page.evaluate("seen.tasks")], spent

    def _spent(self) -> float:
        metrics: dict[str, Any] = {
            metric["name"]: metric["value"] for metric in self._session.send("Performance.getMetrics")["metrics"]
        }
        return float(sum(metrics[name] for name in ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")))
