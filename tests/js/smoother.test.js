import assert from "node:assert/strict";
import { test } from "node:test";

import { Smoother, safeCut } from "streaming/smoother.js";

function setUp({ immediate = false } = {}) {
  const page = { now: 0, frame: null, drawn: [], immediate };
  const smoother = new Smoother((text) => page.drawn.push({ text, at: page.now }), {
    requestFrame: (action) => (page.frame = action),
    cancelFrame: () => (page.frame = null),
    now: () => page.now,
    isImmediate: () => page.immediate,
  });
  const runFrames = (ms, everyMs = 16) => {
    for (const end = page.now + ms; page.now < end; ) {
      page.now += everyMs;
      const action = page.frame;
      page.frame = null;
      action?.();
    }
  };
  return { page, smoother, runFrames };
}

const text = (page) => page.drawn.map((piece) => piece.text).join("");

test("it draws everything, in order, in many small pieces", () => {
  const { page, smoother, runFrames } = setUp();
  const wanted = "The quick brown fox jumps over the lazy dog. ".repeat(10);
  smoother.push(wanted);
  runFrames(400);
  assert.equal(text(page), wanted);
  assert.ok(page.drawn.length >= 8);
  assert.ok(Math.max(...page.drawn.map((piece) => piece.text.length)) < wanted.length / 3);
});

test("nothing is drawn later than 300 ms after it came", () => {
  const { page, smoother, runFrames } = setUp();
  for (let index = 0; index < 40; index += 1) {
    smoother.push(`<${page.now}>`.padEnd(30, "."));
    runFrames(48);
  }
  runFrames(300);
  for (const { at } of page.drawn) assert.ok(at <= page.now);
  const arrivals = [...text(page).matchAll(/<(\d+)>/g)];
  for (const match of arrivals) {
    let drawnAt = 0;
    let length = 0;
    for (const piece of page.drawn) {
      length += piece.text.length;
      if (length >= match.index + 30) {
        drawnAt = piece.at;
        break;
      }
    }
    assert.ok(drawnAt - Number(match[1]) <= 300, `${match[0]} was drawn at ${drawnAt}`);
  }
});

test("it draws at once when nobody sees it or motion is not wanted", () => {
  const { page, smoother } = setUp({ immediate: true });
  smoother.push("all of it");
  assert.equal(text(page), "all of it");
  assert.equal(page.frame, null);
});

test("no frame is asked for while there is nothing to draw", () => {
  const { page, smoother, runFrames } = setUp();
  smoother.push("a");
  runFrames(100);
  assert.equal(page.frame, null);
});

test("what is flushed is not drawn again, what is cleared never", () => {
  const { page, smoother, runFrames } = setUp();
  smoother.push("abc");
  smoother.flush();
  smoother.push("never");
  smoother.clear();
  runFrames(300);
  assert.equal(text(page), "abc");
});

test("no piece splits a surrogate pair or a joined emoji", () => {
  const { page, smoother, runFrames } = setUp();
  const family = "👩‍👩‍👧‍👦";
  const wanted = `${family}👍🏽é漢`.repeat(50);
  smoother.push(wanted);
  runFrames(500, 5);
  assert.equal(text(page), wanted);
  for (const piece of page.drawn) {
    assert.ok(piece.text.isWellFormed?.() ?? !/[\ud800-\udbff]$/.test(piece.text));
    assert.ok(!piece.text.startsWith("\u200d") && !piece.text.endsWith("\u200d"));
  }
});

test("a cut moves forward to the next safe place", () => {
  assert.equal(safeCut("a😀b", 2), 3);
  assert.equal(safeCut("abc", 1), 1);
  assert.equal(safeCut("abc", 9), 3);
  assert.equal(safeCut("e\u0301x", 1), 2);
});
