import assert from "node:assert/strict";
import { test } from "node:test";

import { Stream } from "streaming/stream.js";

const ID = "00000000-0000-0000-0000-000000000001";

function streamOf(...texts) {
  const stream = new Stream(ID);
  let seq = 1;
  const next = (frame) => stream.apply({ generation: ID, position: `1-${seq++}`, ...frame });
  next({ type: "stream.started", attempt: 1, follows: "0-0", model: "demo" });
  const say = (text) => next({ type: "stream.delta", text });
  const block = (index, lines, html) => next({ type: "stream.block", index, lines, ...(html && { html }) });
  for (const text of texts) say(text);
  return { stream, say, block, next };
}

const shown = ({ blocks }) => blocks.map(({ lines, html }) => [lines, html]);

test("blocks come one after the other, and the text stays what it was", () => {
  const { stream, block } = streamOf("# a\n\nb\n");
  assert.deepEqual(block(0, 2, "<h3>a</h3>"), { kind: "block", index: 0 });
  assert.deepEqual(block(1, 1, "<p>b</p>"), { kind: "block", index: 1 });
  assert.deepEqual(shown(stream), [[2, "<h3>a</h3>"], [1, "<p>b</p>"]]);
  assert.equal(stream.text, "# a\n\nb\n");
});

test("a known block comes again in its place, or with other lines in the place of all after it", () => {
  const { stream, block } = streamOf("a\n\nb\n\nc\n");
  block(0, 2, "a");
  block(1, 2, "b");
  block(2, 1, "c");
  block(1, 2, "B");
  assert.deepEqual(shown(stream), [[2, "a"], [2, "B"], [1, "c"]]);
  block(1, 3, "bc");
  assert.deepEqual(shown(stream), [[2, "a"], [3, "bc"]]);
});

test("a block never stands for text that is not there, and none is skipped", () => {
  const { stream, block } = streamOf("a\nb");
  assert.equal(block(0, 3, "x").kind, "nothing");
  assert.equal(block(1, 1, "x").kind, "nothing");
  assert.equal(block(0, 2, "x").kind, "block");
  assert.equal(stream.blocks.length, 1);
});

test("a block of an unfinished line is forgotten when more of the line comes", () => {
  const { stream, say, block } = streamOf("a\n\nhalf");
  block(0, 2, "a");
  block(1, 1, "half");
  say(" and more");
  assert.deepEqual(shown(stream), [[2, "a"]]);
  say("\n");
  assert.deepEqual(shown(stream), [[2, "a"]]);
});

test("a block without HTML keeps its place", () => {
  const { stream, block } = streamOf("a\n");
  block(0, 1);
  assert.deepEqual(shown(stream), [[1, null]]);
});

test("a snapshot brings the blocks of its text, in parts", () => {
  const stream = new Stream(ID);
  const common = {
    type: "stream.snapshot", generation: ID, position: "2-7", epoch: "e", recovered: true, status: "streaming", model: "m",
  };
  stream.apply({ ...common, part: 0, last: false, text: "a\nb\n" });
  stream.apply({ ...common, part: 1, last: false, text: "", blocks: [{ lines: 1, html: "A" }] });
  assert.deepEqual(stream.blocks, []);
  assert.equal(stream.apply({ ...common, part: 2, last: true, text: "", blocks: [{ lines: 1, html: null }] }).kind, "append");
  assert.deepEqual(shown(stream), [[1, "A"], [1, null]]);
  const other = { ...common, position: "3-2", part: 0, last: true, text: "x", recovered: false };
  assert.equal(stream.apply(other).kind, "replace");
  assert.deepEqual(stream.blocks, []);
});

test("every interruption ends in the same blocks", () => {
  const log = [
    { type: "stream.started", position: "1-1", attempt: 1, follows: "0-0", model: "m" },
    { type: "stream.delta", position: "1-2", text: "# a\n\nb" },
    { type: "stream.block", position: "1-3", index: 0, lines: 2, html: "A" },
    { type: "stream.block", position: "1-4", index: 1, lines: 1, html: "half" },
    { type: "stream.started", position: "2-1", attempt: 2, follows: "1-4", model: "m" },
    { type: "stream.delta", position: "2-2", text: "b\n" },
    { type: "stream.block", position: "2-3", index: 0, lines: 2, html: "A" },
    { type: "stream.block", position: "2-4", index: 1, lines: 1, html: "whole" },
  ].map((frame) => ({ generation: ID, ...frame }));
  for (let cut = 0; cut <= log.length; cut += 1) {
    const stream = new Stream(ID);
    for (const frame of [...log.slice(0, cut), ...log.slice(Math.max(0, cut - 3))]) stream.apply(frame);
    assert.equal(stream.text, "# a\n\nbb\n");
    assert.deepEqual(shown(stream), [[2, "A"], [1, "whole"]]);
  }
});
