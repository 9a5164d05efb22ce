"""Waiting in a real browser: one answer runs at a time, so places, times, their countdown and their end are seen."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
import redis

from streaming import fanout
from tests.acceptance.rig import Demo
from tests.browser.axe import violations
from tests.browser.person import Person, log_in_once

pytestmark = pytest.mark.browser
Come = Callable[..., Person]

WAIT = '.message[data-role="assistant"] .message-wait:visible'
QUEUE_MAX = 4
#: Minutes: long enough for everything that happens while the first answer runs; it is stopped, never waited for.
LONG = "A long story please"

#: Everything that the card showed and that a screen reader was told, from the first moment of each page.
_RECORD = """
const WHOLE = { subtree: true, childList: true, characterData: true, attributes: true };
window.shown = [];
window.heard = [];
const look = () => {
  const card = [...document.querySelectorAll(".message-wait")].at(-1);
  if (card && !card.hidden) {
    const now = [".wait-line", ".wait-reason"].map((part) => card.querySelector(part).textContent);
    if (String(shown.at(-1)) !== String(now)) shown.push(now);
  }
  const said = document.querySelector("#announcer p:last-child")?.textContent ?? "";
  if (said !== "" && said !== heard.at(-1)?.[0]) heard.push([said, performance.now()]);
};
addEventListener("pagehide", () => sessionStorage.setItem("test.left", sessionStorage.getItem("chat.waits")));
addEventListener("DOMContentLoaded", () =>
  new MutationObserver(look).observe(document.body, WHOLE));
"""


# One for the module: drawn boards are believed for 15 s, so no test may count on the lane's own ones before that.
@pytest.fixture(scope="module")
def demo(chromium_path: str, site_env: dict[str, str]) -> Iterator[Demo]:
    env = {"DEMO_TOKENS_PER_SECOND": "10", "DEMO_LIMITS": f"concurrency=1,queue_max={QUEUE_MAX}"}
    with Demo(env=site_env | env) as running:
        yield running


@pytest.fixture(scope="module")
def cookies(demo: Demo) -> Callable[[str], str]:
    return log_in_once(demo)


def arrive(person: Come, name: str, **context: Any) -> Person:
    """Somebody in a new conversation whose page is recorded."""
    someone = person(name, **context)
    someone.context.add_init_script(_RECORD)
    someone.start_conversation()
    return someone


def ask_and_wait(someone: Person, text: str) -> None:
    """Until a place and a time are shown."""
    someone.ask(text)
    someone.until(
        f"/next|ahead/i.test(document.querySelector('{WAIT.removesuffix(':visible')} .wait-line')?.textContent)"
    )


def line(someone: Person) -> str:
    return str(someone.page.locator(f"{WAIT} .wait-line").inner_text()).replace("\u00a0", " ")


def place(shown: str) -> int:
    """How many are ahead, as the sentence says it; -1: it does not say."""
    if shown.startswith("You are next"):
        return 0
    found = re.match(r"(\d+) ahead of you", shown)
    return int(found[1]) if found else -1


def until_places(people: list[Person], expected: list[int]) -> None:
    for someone in people:
        someone.page.wait_for_selector(WAIT)
    deadline = time.monotonic() + 150
    while (found := sorted(place(line(someone)) for someone in people)) != expected:
        assert time.monotonic() < deadline, found
        people[0].page.wait_for_timeout(200)


def seconds(shown: str) -> int:
    """The expected time in a sentence; "starting" and "any moment" are none."""
    found = re.search(r"about (?:(\d+) min ?)?(?:(\d+)(?: s)?)?(?:,|$)", shown.replace("\u00a0", " "))
    return int(found[1] or 0) * 60 + int(found[2] or 0) if found else 0


def recorded(someone: Person) -> list[tuple[str, str]]:
    """Sentence and reason, as they were shown one after the other."""
    return [(shown, reason) for shown, reason in someone.page.evaluate("shown")]


def climbs_without_reason(someone: Person) -> list[Any]:
    """A number where there was none before is none."""
    return [
        (before, after)
        for (before, _), (after, reason) in pairwise(recorded(someone))
        if " · " in before and seconds(after) > seconds(before) and not reason
    ]


def counted_down(someone: Person) -> bool:
    told = [seconds(shown) for shown, _ in recorded(someone)]
    return any(0 < after < before for before, after in pairwise(told))


def foretell_until(someone: Person, holds: Callable[[], Any], each_s: float = 30.0) -> None:
    """The lane's own estimates depend on what ran before; these do not: so long for each place in the line."""
    rows = someone.demo.rows(
        "SELECT lane_tag, lane_seq FROM streaming_generation WHERE status = 'queued' ORDER BY lane_tag, lane_seq"
    )
    grid = [
        [row["lane_tag"], row["lane_seq"], number, each_s * (number + 1), each_s * (number + 1.5)]
        for number, row in enumerate(rows)
    ]
    deadline = time.monotonic() + 150
    while not holds():
        assert time.monotonic() < deadline, recorded(someone)
        publish(someone.demo, grid=grid)
        someone.page.wait_for_timeout(500)


def due_at(someone: Person) -> float:
    """When this page's countdown ends, in ms of the epoch."""
    [wait] = json.loads(someone.page.evaluate("sessionStorage.getItem('chat.waits')")).values()
    return float(wait["dueAt"] or 0)


def end_all(people: list[Person]) -> None:
    """From the last to the first: nobody's turn comes by it."""
    for someone in reversed(people):
        if someone.page.locator('.message[data-state="answering"]').count():
            someone.page.press("#composer-text", "Escape")
            someone.wait_state("stopped")


def test_five_questions_and_one_slot(person: Come) -> None:
    first, *others = people = [arrive(person, name) for name in ("ann", "bob", "ann", "bob", "ann")]
    first.ask(LONG)
    first.wait_text(10)
    for number, someone in enumerate(others):
        ask_and_wait(someone, f"Question {number}, a long one")
    until_places(others, [0, 1, 2, 3])

    # Whoever is further back is told a longer time, and all of it counts down.
    in_order = sorted(others, key=lambda someone: place(line(someone)))
    last = in_order[-1]
    foretell_until(last, lambda: counted_down(last) and due_at(in_order[0]) < due_at(last))

    # A reload shows it before any server has said a word, and goes on from there.
    last.page.route_web_socket(re.compile("/ws/v1/"), lambda socket: None)
    last.page.reload()
    last.page.wait_for_selector(WAIT)
    kept = last.page.evaluate("['test.left', 'chat.waits'].map((key) => sessionStorage.getItem(key))")
    assert kept[0] == kept[1]
    assert place(line(last)) == 3
    assert climbs_without_reason(last) == []

    # Another tab has nothing to remember: the server tells it.
    tab = last.new_tab()
    tab.goto(last.page.url)
    tab.wait_for_selector(WAIT)
    last.page.close()
    last.page = tab
    last.wait_live()
    until_places(others, [0, 1, 2, 3])

    # One more than may wait: the text comes back, with the reason.
    late = arrive(person, "bob")
    late.ask("No room for me")
    late.page.wait_for_selector("#composer-alert:visible")
    assert "Too many questions wait for Demo" in late.page.locator("#composer-alert").inner_text()
    assert late.page.input_value("#composer-text") == "No room for me"
    assert late.questions() == []

    # One no longer wants to wait, and those behind move up.
    leaving = in_order[1]
    leaving.page.click(f"{WAIT} .wait-cancel")
    leaving.wait_state("stopped")
    leaving.page.wait_for_selector(WAIT, state="detached")
    leaving.until("document.activeElement.id === 'composer-text'")
    leaving.until("sessionStorage.getItem('chat.waits') === null")
    staying = [someone for someone in in_order if someone is not leaving]
    until_places(staying, [0, 1, 2])

    # The one that runs ends; the next one starts, and nothing of its wait is left.
    first.page.press("#composer-text", "Escape")
    first.wait_state("stopped")
    staying[0].wait_text(5)
    staying[0].page.wait_for_selector(WAIT, state="detached")
    until_places(staying[1:], [0, 1])
    end_all([staying[0], *staying[1:]])
    for someone in people:
        assert climbs_without_reason(someone) == []


def test_those_who_listen_hear_the_place_and_no_clock(person: Come) -> None:
    first, second = arrive(person, "ann"), arrive(person, "bob", reduced_motion="reduce")
    first.ask(LONG)
    first.wait_text(10)
    ask_and_wait(second, "And mine, a long one?")
    foretell_until(second, lambda: counted_down(second) and len(heard(second)) >= 2 and is_in_seconds(second))
    times = [at for _, at in heard(second)]
    assert all(later - earlier > 5_000 for earlier, later in pairwise(times))
    assert second.page.eval_on_selector(".wait-mark", "mark => getComputedStyle(mark).animationName") == "none"
    assert second.page.locator(f"{WAIT} .wait-cancel").inner_text() == "Cancel"
    assert violations(second.page) == []
    end_all([first, second])


def is_in_seconds(someone: Person) -> bool:
    """The lane's own first estimate may be one of minutes."""
    return re.search(r"about \d+ seconds", heard(someone)[-1][0]) is not None


def heard(someone: Person) -> list[tuple[str, float]]:
    return [(said, at) for said, at in someone.page.evaluate("heard") if "You are next" in said]


def test_whoever_reads_along_sees_the_place_and_cannot_cancel(person: Come) -> None:
    first, second = arrive(person, "ann"), arrive(person, "ann")
    first.ask(LONG)
    first.wait_text(10)
    second.invite("bob", "viewer")
    ask_and_wait(second, "And this, a long one?")
    reader = person("bob").open(second.page.url)
    reader.page.wait_for_selector(WAIT)
    assert "of you" not in line(reader)
    assert not reader.page.locator(f"{WAIT} .wait-cancel").is_visible()
    end_all([first, second])


def test_the_picker_says_how_long_one_would_wait_and_why(person: Come, demo: Demo) -> None:
    ann = arrive(person, "ann")
    until_picked(ann, "^about 40.s$", p50_s=42.0)
    until_picked(ann, "^its provider asks to wait, about 2.min.15$", p50_s=130.0, closed="paused")


def until_picked(someone: Person, sentence: str, **drawn: Any) -> None:
    """A drawn board is believed for a while only, and a page is told every few seconds."""
    shown = someone.page.locator("#model-wait")
    deadline = time.monotonic() + 150
    while not re.match(sentence, said := (shown.text_content() or "").strip()):
        assert time.monotonic() < deadline, said
        publish(someone.demo, **drawn)
        someone.page.wait_for_timeout(500)


def publish(demo: Demo, *, p50_s: float = 60.0, closed: str = "", grid: Sequence[Any] = ()) -> None:
    """A board of the demo model's lane that no real one undoes for a while: it comes from the future."""
    [lane] = [row["name"] for row in demo.rows("SELECT name FROM streaming_lane WHERE name LIKE 'demo:demo:%'")]
    board = {
        "lane": lane, "at": round(time.time() * 1000) + 3_600_000, "depth": len(grid),
        "closed": [closed, 60.0 if closed else 0.0, ""], "newcomer": [len(grid), p50_s, p50_s * 2],
        "grid": grid, "parked": [],
    }  # fmt: skip
    group = fanout.boards_group()
    message = fanout.serialize({"type": "lane.board", "g": group, "f": json.dumps(board)})
    with redis.Redis.from_url(demo.redis_url) as client:
        assert client.publish(fanout.group_channel(group), message) >= 1
