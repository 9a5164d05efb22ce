"""Answers in the page: the preview of the open end, the blocks that take its place, and what may never get in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streaming.markdown import render_document
from tests.browser.person import Person
from tests.unit.streaming.hostile_markdown import BOMBS, HOSTILE

Come = Callable[..., Person]

_TEXT = """
async ([source, blocks]) => {
  const { AnswerText } = await import("chat/answer_text.js");
  const element = document.createElement("div");
  const list = document.querySelector("#messages");
  element.className = "message-text";
  list.replaceChildren(element);
  const answer = new AnswerText(element);
  for (const character of source) answer.append(character);
  const heightOf = () => element.getBoundingClientRect().height;
  const headings = () => [...element.querySelectorAll("[data-level]")].map(({ tagName }) => tagName).join(" ");
  const before = { height: heightOf(), text: element.textContent, headings: headings() };
  answer.finish();
  answer.commit(blocks);
  for (const button of element.querySelectorAll("button")) button.remove();
  const open = element.querySelector(".tail").childElementCount;
  return { before, after: { height: heightOf(), text: element.textContent, headings: headings() }, open };
}
"""

_ALLOWED = """
const ALLOWED = {
  A: ["href", "rel", "target"], OL: ["start"], PRE: ["tabindex", "role", "aria-label", "data-language"],
  TH: ["scope", "class"], TD: ["class"], DIV: ["class", "tabindex", "role", "aria-label"], SPAN: ["class"],
  BUTTON: ["class", "type"], H3: ["data-level"], H4: ["data-level"], H5: ["data-level"], H6: ["data-level"],
};
const PLAIN = "BLOCKQUOTE BR CODE EM HR LI P S STRONG TABLE TBODY THEAD TR UL";
for (const tag of PLAIN.split(" ")) ALLOWED[tag] = [];
const judge = (element) => [...element.querySelectorAll("*")].flatMap((one) => [
  ...(ALLOWED[one.tagName] ? [] : [one.outerHTML]),
  ...[...one.attributes].filter(({ name }) => name !== "data-cursor" && !ALLOWED[one.tagName]?.includes(name))
    .map(({ name }) => `${one.tagName} ${name}`),
  ...(one.tagName === "A" && one.hasAttribute("href") && !/^(https?:|mailto:)/.test(one.href) ? [one.href] : []),
]);
"""


@pytest.fixture
def ann(person: Come) -> Person:
    someone = person("ann")
    someone.start_conversation()
    return someone


def blocks_of(source: str) -> list[dict[str, Any]]:
    return [block._asdict() for block in render_document(source)]


@pytest.mark.parametrize(
    "source",
    [
        "# A heading\n\nA paragraph with **bold**, *slanted*, ~~struck~~ and `code`.\n\n### Another\n",
        "Two lines\nof one paragraph\n\nand [a link](https://example.org/a) to https://example.org/b.\n",
        "- one\n- two\n  - nested\n  - again\n- three\n\nafter\n",
        "1. one\n\n2. two\n\n   more of two\n\n3. three\n",
        "```python\ndef f(x):\n    return x\n\nprint(f(1))\n```\n\nafter\n",
        "- item\n\n  ```\n  code\n  ```\n\n- item\n",
        "> quoted\n> lines\n>\n> - in a list\n\nafter\n",
        "| a | b |\n|---|--:|\n| 1 | `2` |\n| **3** | 4 |\n\nafter\n",
        "Title\n=====\n\nSub\n---\n\ntext\n\n---\n\nend\n",
        "## Part\n\n> #### In it\n\n- ### Third\n\n## Part\n\n# Title\n\n###### Last\n",
        "~~~\nnever closed\n\n",
        "5. five\n6. six\n\n* star\n",
    ],
)
def test_a_block_takes_the_place_of_its_preview_without_a_jump(ann: Person, source: str) -> None:
    seen = ann.page.evaluate(_TEXT, [source, blocks_of(source)])
    assert seen["open"] == 0, "all of it is blocks"
    assert abs(seen["before"]["height"] - seen["after"]["height"]) <= 3
    assert seen["before"]["headings"] == seen["after"]["headings"]
    assert "".join(seen["before"]["text"].split()) == "".join(seen["after"]["text"].split())


def test_no_prefix_of_anything_hostile_gets_into_the_page(ann: Person) -> None:
    found = ann.page.evaluate(
        f"""async (sources) => {{
          const {{ AnswerText }} = await import("chat/answer_text.js");
          {_ALLOWED}
          const element = document.createElement("div");
          document.querySelector("#messages").replaceChildren(element);
          return sources.flatMap((source) => {{
            const answer = new AnswerText(element);
            answer.replace("");
            return [...source].flatMap((character) => {{
              answer.append(character);
              return judge(element).filter((complaint) => complaint !== "");
            }});
          }});
        }}""",
        list(HOSTILE),
    )
    assert found == []


def test_what_a_broken_server_would_send_does_not_get_in_either(ann: Person) -> None:
    attacks = [
        "<p>a</p><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>",
        "<svg onload='window.hit = 1'><a href='javascript:1'>x</a></svg><math><mtext>y</mtext></math>",
        "<a href='javascript:window.hit = 1' onclick='window.hit = 1' style='color:red' class='button'>z</a>",
        "<div class='composer' id='composer'><form action=/><input name=x><button>b</button></form></div>",
        "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe><template><script>1</script></template>",
        "<style>* { display: none }</style><link rel=stylesheet href=//evil.example><base href=//evil.example>",
        "<p tabindex=5 data-language=x contenteditable>q</p><pre data-language='&quot;>'>w</pre><!-- c -->",
    ]
    ann.expect("Content Security Policy|policy: (script|style)-src")  # which is the wall behind this one
    found, hit = ann.page.evaluate(
        f"""async (attacks) => {{
          const {{ safeFragment }} = await import("chat/safe_html.js");
          {_ALLOWED}
          const element = document.createElement("div");
          document.body.append(element);
          const found = attacks.flatMap((html) => {{
            element.replaceChildren(safeFragment(html));
            return judge(element);
          }});
          await new Promise((resolve) => setTimeout(resolve, 100));
          return [found, window.hit ?? 0];
        }}""",
        attacks,
    )
    assert (found, hit) == ([], 0)


def test_the_work_per_piece_does_not_grow_with_the_answer(ann: Person) -> None:
    """100 KB of each construct that stays open, and bombs: how many nodes a piece of text touches is bounded."""
    unit = 100_000
    sources = [
        line * (unit // len(line))
        for line in (
            "A line of **one** paragraph that never ends\n",
            "- an item with `code`\n",
            "> a quoted line\n",
            "| a | b |\n",
            "word ",
            "one paragraph\n\n",
        )
    ] + ["```python\n" + "x = f(1)  # why\n" * 6_600]
    found = ann.page.evaluate(
        """async (sources) => {
          const { AnswerText } = await import("chat/answer_text.js");
          const list = document.querySelector("#messages");
          return sources.map((source) => {
            const element = document.createElement("div");
            element.className = "message-text";
            list.replaceChildren(element);
            const answer = new AnswerText(element);
            const observer = new MutationObserver(() => {});
            observer.observe(element, { subtree: true, childList: true, characterData: true });
            const counts = [];
            for (let at = 0; at < source.length; at += 20) {
              answer.append(source.slice(at, at + 20));
              const records = observer.takeRecords();
              counts.push(records.reduce((sum, one) => sum + one.addedNodes.length + one.removedNodes.length + 1, 0));
            }
            return counts;
          });
        }""",
        sources,
    )
    for source, counts in zip(sources, found, strict=True):
        early, late = counts[100:600], counts[-500:]
        assert max(counts) <= 120, source[:40]
        assert sum(late) <= 2 * sum(early) + 500, source[:40]


@pytest.mark.parametrize("source", [bomb for bomb in BOMBS if "\n" not in bomb][:6], ids=range(6))
def test_a_bomb_does_not_stop_the_page(ann: Person, source: str) -> None:
    text = ann.page.evaluate(
        """async (source) => {
          const { AnswerText } = await import("chat/answer_text.js");
          const lengths = [];
          for (const step of [500, source.length]) { // as it is written, and as whoever comes later gets it
            const element = document.createElement("div");
            document.querySelector("#messages").replaceChildren(element);
            const answer = new AnswerText(element);
            for (let at = 0; at < source.length; at += step) answer.append(source.slice(at, at + step));
            answer.append("\\n");
            lengths.push(element.textContent.length);
          }
          return lengths;
        }""",
        source,
    )
    assert text[0] == text[1] > 0


def test_a_long_line_of_code_stays_in_its_box(ann: Person) -> None:
    code = "x" * 1_999 + "🎉" + "y" * 5_000
    shown = ann.page.evaluate(
        """async (source) => {
          const { AnswerText } = await import("chat/answer_text.js");
          return [7, source.length].map((step) => {
            const element = document.createElement("div");
            document.querySelector("#messages").replaceChildren(element);
            const answer = new AnswerText(element);
            for (let at = 0; at < source.length; at += step) answer.append(source.slice(at, at + step));
            return [element.querySelector("code").textContent, element.textContent];
          });
        }""",
        f"```\n{code}\nz\n```\n",
    )
    assert shown == [[f"{code}\nz\n"] * 2] * 2


def test_code_can_be_copied_and_scrolled_by_keyboard(ann: Person) -> None:
    ann.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ann.ask("Show me code")
    ann.wait_state("done")
    page = ann.page
    region = page.get_by_role("region", name="Code: python").first
    assert region.get_attribute("tabindex") == "0"
    region.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "copy-code"
    ann.watch("document.activeElement.textContent")  # the button, which says so for a moment
    page.keyboard.press("Enter")
    ann.until("seen.includes('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("from collections import Counter\n")
    assert copied == region.locator("code").text_content()


def test_finished_answers_look_the_same_after_a_reload_and_without_javascript(ann: Person, person: Come) -> None:
    ann.ask("Show me markdown")
    ann.wait_state("done")
    live = ann.page.inner_text(".message[data-role=assistant] .message-text")
    ann.page.reload()
    ann.wait_live()
    assert ann.page.inner_text(".message[data-role=assistant] .message-text") == live
    plain = person("ann", java_script_enabled=False)
    plain.page.goto(ann.page.url)
    text = plain.page.locator(".message[data-role=assistant] .message-text")
    assert text.locator("h3, h4").count() >= 2
    assert text.locator("table").count() == 1
    assert "".join(text.inner_text().split()) == "".join(live.replace("Copy code", "").split())


def test_figures_of_the_page_are_shown_on_demand(ann: Person) -> None:
    ann.page.goto(ann.page.url + "?debug=1")
    ann.wait_live()
    ann.ask("Show me code, a long one")
    for name in ("Pieces drawn", "Blocks received"):
        ann.until(
            f"Number([...document.querySelectorAll('.debug-panel dt')]"
            f".find((name) => name.textContent === '{name}')?.nextElementSibling.textContent) > 3"
        )
    with ann.hurrying():
        ann.wait_state("done")
    texts = ann.page.locator(".debug-panel dt, .debug-panel dd").all_text_contents()
    shown = dict(zip(texts[::2], texts[1::2], strict=True))
    assert shown["Texts that differed"] == "0"
    ann.page.keyboard.press("Control+Alt+KeyD")
    assert ann.page.locator(".debug-panel").count() == 0
