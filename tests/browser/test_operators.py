"""Operators steer what runs, in a real browser against real processes: how soon it takes effect is printed (`-s`).

The bounds are for machines that do many other things; on a quiet one each takes less than a second.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import pytest
import redis

from tests.acceptance.demo_database import Row
from tests.acceptance.rig import Demo, until
from tests.browser.person import Person

pytestmark = pytest.mark.browser
EFFECT_S = 120.0
PAGE_MS = 90_000


class Operator:
    """Somebody at the admin's pages."""

    def __init__(self, person: Person, demo: Demo) -> None:
        self.person, self.demo = person, demo
        self.page = person.page
        self.redis = redis.Redis(unix_socket_path=str(demo.data / "valkey" / "valkey.sock"))
        self.undo: list[str] = []

    def order(self, where: str, within: str, name: str, why: str) -> float:
        """Presses what stands there, says why, and confirms; returns when."""
        self.page.goto(f"{self.demo.url}admin/{where}/")
        self.page.locator(within).get_by_role("link", name=name, exact=True).first.click()
        self.page.fill("[name=why]", why)
        ordered_at = time.monotonic()
        self.page.click(".ops-confirm button")
        return ordered_at

    def took_effect(self, what: str, ordered_at: float, holds: Callable[[], object]) -> None:
        until(holds, what, EFFECT_S)
        print(f"\n{what}: {time.monotonic() - ordered_at:.2f} s after the confirmation")

    def said(self, why: str) -> str:
        """What the audit trail has of it."""
        query = "SELECT change_message, object_repr FROM django_admin_log WHERE change_message LIKE ?"
        (entry,) = self.demo.rows(query, f"%: {why}")
        return f"{entry['change_message']} ({entry['object_repr']})"

    def only(self, status: str) -> Row:
        """The one answer in this state; what the site asks for itself (titles) has no message."""
        query = (
            "SELECT g.id, g.attempt FROM streaming_generation g JOIN chat_message m ON m.generation_id = g.id "
            "WHERE g.status = ?"
        )
        # Rows follow a little later: the stream does not wait for them.
        (row,) = until(lambda: self.demo.rows(query, status), f"an answer that is {status}")
        return dict(row)

    def lane(self) -> str:
        return str(self.demo.rows("SELECT name FROM streaming_lane ORDER BY name LIMIT 1")[0]["name"])

    def held(self) -> str:
        found = self.redis.hget(f"lane:{{{self.lane()}}}:state", "held")
        return found.decode() if isinstance(found, bytes) else ""

    def worker(self) -> str:
        """The one that runs: another test's, killed a moment ago, may still be known."""
        known = [key.decode() for key in self.redis.smembers("workers:known")]  # type: ignore[union-attr]
        return next((name for name in known if name.split(":")[1] == str(self.demo.pid("worker 1"))), "")

    @property
    def own_worker(self) -> str:
        return f'[data-worker="{until(self.worker, "a worker")}"]'

    def worker_state(self) -> str:
        lease = self.redis.get(f"worker:{self.worker()}")
        return str(json.loads(lease)["state"]) if isinstance(lease, bytes) else ""


@pytest.fixture
def operator(demo: Demo, person: Callable[..., Person]) -> Iterator[Operator]:
    """At the end everything goes on, whatever the test left behind: the demo is the other tests' too."""
    somebody = Operator(person("admin"), demo)
    yield somebody
    if somebody.held():
        somebody.order("lanes", "[data-lane]", "Resume", "the test is over")
        until(lambda: not somebody.held(), "the lane goes on")
    if somebody.worker_state() == "resting":
        somebody.order("workers", somebody.own_worker, "Resume", "the test is over")
        until(lambda: somebody.worker_state() == "working", "the worker works again")
    somebody.redis.close()


def test_a_running_answer_is_stopped_from_the_admin(operator: Operator, person: Callable[..., Person]) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("A slow and long answer")
    ann.wait_text(10)
    row = operator.only("streaming")
    answer = f"{row['id'][:8]}-{row['id'][8:12]}-{row['id'][12:16]}-{row['id'][16:20]}-{row['id'][20:]}"
    ordered_at = operator.order("answers", f'[data-answer="{answer}"]', "Stop", "it went on and on")
    query = "SELECT status FROM streaming_generation WHERE id = ?"
    operator.took_effect("stopped", ordered_at, lambda: operator.demo.rows(query, row["id"])[0]["status"] == "stopped")
    ann.wait_state("stopped")
    assert ann.answer()
    operator.page.get_by_text("1 answer is stopped.").wait_for()
    assert operator.said("it went on and on").startswith("Stopped: ")


def test_a_lane_is_paused_and_resumed_from_the_admin(operator: Operator, person: Callable[..., Person]) -> None:
    ann, bob = person("ann"), person("bob")
    ann.start_conversation()
    ann.ask("A long answer")
    ann.wait_text(10)
    ordered_at = operator.order("lanes", "[data-lane]", "Pause", "the provider called")
    operator.took_effect("paused", ordered_at, lambda: operator.held() == "pause")
    operator.page.locator('[data-lane] [data-state="pause"]').wait_for()
    operator.page.get_by_text("the provider called").wait_for()
    bob.start_conversation()
    bob.ask("Does this wait?")
    bob.page.get_by_text("An administrator paused this model.").first.wait_for()
    with ann.hurrying():
        ann.wait_state("done")  # what runs goes on, to its end
    assert operator.only("queued")["attempt"] == 0
    ordered_at = operator.order("lanes", "[data-lane]", "Resume", "the provider called again")
    operator.took_effect("resumed", ordered_at, lambda: not operator.held())
    bob.wait_state("done")
    assert operator.said("the provider called").startswith("Paused: ")
    assert operator.said("the provider called again").startswith("Resumed: ")


def test_a_worker_is_drained_and_resumed_from_the_admin(operator: Operator, person: Callable[..., Person]) -> None:
    ann, bob = person("ann"), person("bob")
    ann.start_conversation()
    ann.ask("A long answer")
    ann.wait_text(10)
    ordered_at = operator.order("workers", operator.own_worker, "Drain", "a new kernel")
    operator.took_effect("drained", ordered_at, lambda: operator.worker_state() == "resting")
    operator.page.locator(f'{operator.own_worker} [data-state="resting"]').wait_for()
    bob.start_conversation()
    bob.ask("Does this wait?")
    with ann.hurrying():
        ann.wait_state("done")  # what runs there goes on, to its end
    assert operator.only("queued")["attempt"] == 0, "nobody took it up"
    ordered_at = operator.order("workers", operator.own_worker, "Resume", "it runs")
    operator.took_effect("works again", ordered_at, lambda: operator.worker_state() == "working")
    bob.wait_state("done")
    assert operator.said("a new kernel") == f"Drained: a new kernel ({operator.worker()})"


def test_reading_along_shows_text_as_it_comes_and_is_audited(operator: Operator, person: Callable[..., Person]) -> None:
    ann = person("ann")
    ann.start_conversation()
    ann.ask("A slow and long answer")
    ann.wait_text(10)
    operator.order("answers", "[data-answer]", "Read along", "she asked for help")
    operator.page.wait_for_function("() => document.querySelector('.ops-text')?.textContent.length > 10")
    seen = operator.page.locator(".ops-text").text_content()
    longer = f"() => document.querySelector('.ops-text').textContent.length > {len(seen)}"
    operator.page.wait_for_function(longer)
    assert operator.page.locator(".ops-text").text_content().startswith(seen)
    assert operator.said("she asked for help").startswith("Read along: ")
    operator.page.get_by_role("link", name="Stop", exact=True).click()
    operator.page.fill("[name=why]", "enough")
    operator.page.click(".ops-confirm button")
    ann.wait_state("stopped")


def test_the_dashboard_draws_its_charts_and_its_tiles_refresh_by_themselves(
    operator: Operator, person: Callable[..., Person]
) -> None:
    operator.page.goto(f"{operator.demo.url}admin/dashboard/")
    operator.page.wait_for_function("() => document.querySelector('.ops-tiles dd').textContent === '0'")
    ann = person("ann")
    ann.start_conversation()
    ann.ask("A slow and long answer")
    operator.page.wait_for_function("() => document.querySelector('.ops-tiles dd').textContent === '1'")
    drawn = "() => [...document.querySelectorAll('canvas.chart')].every((one) => Chart.getChart(one))"
    operator.page.wait_for_function(drawn)
    assert operator.page.locator(".ops-card details table").count() >= 10
    ann.page.click("#send")  # stop
    ann.wait_state("stopped")


def plotted(page: str, labels: list[str]) -> str:
    """The page with this in its first chart, whatever there is to draw in a young demo."""
    data = escape(json.dumps({"labels": labels, "datasets": [{"label": "p50", "data": [1] * len(labels)}]}))
    canvas = f'<canvas class="chart" data-type="line" data-value="{data}" data-options="{{}}"></canvas>'
    drawn = f'<div class="ops-canvas">{canvas}</div>' if labels else '<p class="ops-empty">Nothing in this time.</p>'
    plot = f'<div class="ops-plot">{drawn}</div>\n    <p class="ops-quiet ops-note"'
    return re.sub(r'<div class="ops-plot">.*?<p class="ops-quiet ops-note"', lambda _: plot, page, count=1, flags=re.S)


def charts_of(operator: Operator, labels: list[str]) -> Any:
    """The dashboard, under the page's own clock; each refresh of its charts brings the present `labels` to the first
    one, however many a slow machine has."""
    page = operator.page

    def refresh(route: Any) -> None:
        answer = route.fetch(timeout=PAGE_MS)
        route.fulfill(response=answer, body=plotted(answer.text(), labels))

    page.route("**/dashboard/?part=charts", refresh)
    page.clock.install()
    page.goto(f"{operator.demo.url}admin/dashboard/")
    return page


def test_the_charts_keep_up_and_leave_the_reader_where_they_were(operator: Operator) -> None:
    drawn = ["a"]
    page = charts_of(operator, drawn)
    page.locator(".ops-card details summary").first.click()
    place = "document.querySelector('.ops-card details .ops-scroll').scrollTop"
    page.evaluate(f"{place} = 200")
    page.evaluate("document.querySelector('.ops-card tbody').dataset.old = 'yes'")
    labels = "() => String(Chart.getChart(document.querySelector('.ops-plot canvas'))?.data.labels)"
    page.clock.run_for(61_000)
    page.wait_for_function(f"() => ({labels})() === 'a'")
    canvas = page.locator(".ops-plot canvas").first.element_handle()
    drawn.append("b")
    page.clock.run_for(61_000)
    page.wait_for_function(f"() => ({labels})() === 'a,b'")
    assert canvas.evaluate("(one) => one.isConnected"), "it was drawn on, not made anew"
    assert page.locator("tbody[data-old]").count() == 0
    assert page.locator(".ops-card details").first.get_attribute("open") is not None
    assert abs(page.evaluate(place) - 200) < 20, "less than a row"


def test_a_chart_that_loses_its_data_says_so_in_words_and_is_drawn_again_when_there_is_some(operator: Operator) -> None:
    drawn = ["a"]
    page = charts_of(operator, drawn)
    labels = "() => String(Chart.getChart(document.querySelector('.ops-plot canvas'))?.data.labels)"
    page.clock.run_for(61_000)
    page.wait_for_function(f"() => ({labels})() === 'a'")
    drawn.clear()
    page.clock.run_for(61_000)
    first = page.locator(".ops-plot").first
    first.get_by_text("Nothing in this time.").wait_for()
    assert first.locator("canvas").count() == 0, "no empty axes"
    drawn.append("b")
    page.clock.run_for(61_000)
    page.wait_for_function(f"() => ({labels})() === 'b'")
    assert first.get_by_text("Nothing in this time.").count() == 0
