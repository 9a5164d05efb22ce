import assert from "node:assert/strict";
import { test } from "node:test";

import { Stream } from "streaming/stream.js";

const ID = "00000000-0000-0000-0000-000000000001";
const started = (attempt, follows) => ({
  type: "stream.started", generation: ID, position: `${attempt}-1`, attempt, follows, model: "demo",
});
const delta = (position, text, follows) => ({ type: "stream.delta", generation: ID, position, text, follows });
const ended = (position, type = "stream.completed") => ({ type, generation: ID, position, bytes: 0, sha256: "" });
const snapshot = (position, text, more = {}) => ({
  type: "stream.snapshot", generation: ID, position, text, epoch: "e1", part: 0, last: true, recovered: true,
  status: "streaming", model: "demo", ...more,
});

function applyAll(stream, frames) {
  return frames.map((frame) => stream.apply(frame).kind);
}

test("deltas in order make the text", () => {
  const stream = new Stream(ID);
  const kinds = applyAll(stream, [started(1, "0-0"), delta("1-2", "Hel"), delta("1-3", "lo"), ended("1-4")]);
  assert.deepEqual(kinds, ["status", "append", "append", "ended"]);
  assert.equal(stream.text, "Hello");
  assert.equal(stream.status, "completed");
});

test("a repeated frame changes nothing", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), delta("1-2", "a"), delta("1-2", "a"), started(1, "0-0"), delta("1-3", "b")]);
  assert.equal(stream.text, "ab");
});

test("a missing frame is a hole and nothing after it is shown", () => {
  const stream = new Stream(ID);
  const kinds = applyAll(stream, [started(1, "0-0"), delta("1-3", "b"), ended("1-4")]);
  assert.deepEqual(kinds, ["status", "hole", "hole"]);
  assert.equal(stream.text, "");
  assert.equal(stream.end, null);
});

test("a merged delta that follows what is known is applied", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), delta("1-9", "abc", "1-1"), delta("1-10", "d")]);
  assert.equal(stream.text, "abcd");
});

test("a merged delta that overlaps what is known is a hole, never a repetition", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), delta("1-2", "a")]);
  assert.equal(stream.apply(delta("1-5", "abcd", "1-1")).kind, "hole");
  assert.equal(stream.text, "a");
});

test("the next attempt goes on only from the last position", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), delta("1-2", "a")]);
  assert.equal(stream.apply(started(2, "1-3")).kind, "hole");
  assert.equal(stream.apply(started(2, "1-2")).kind, "status");
  assert.equal(stream.apply(delta("1-3", "late zombie")).kind, "nothing");
  assert.equal(stream.apply(delta("2-2", "b")).kind, "append");
  assert.equal(stream.text, "ab");
});

test("the first text of a later attempt is marked as the seam, once", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), delta("1-2", "a"), started(2, "1-2"), started(3, "2-1")]);
  assert.deepEqual(stream.apply(delta("3-2", "b")), { kind: "append", text: "b", seam: true });
  assert.deepEqual(stream.apply(delta("3-3", "c")), { kind: "append", text: "c" });
});

test("an attempt after one without any text has no seam", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), started(2, "1-1")]);
  assert.deepEqual(stream.apply(delta("2-2", "a")), { kind: "append", text: "a" });
});

test("whoever learns of the next attempt's text from a snapshot or the row sees the seam, unless all is replaced", () => {
  const twice = () => {
    const stream = new Stream(ID);
    applyAll(stream, [started(1, "0-0"), delta("1-2", "a"), started(2, "1-2")]);
    return stream;
  };
  assert.deepEqual(twice().apply(snapshot("2-5", "ab")), { kind: "append", text: "b", seam: true });
  assert.deepEqual(twice().settle({ text: "ab", status: "completed" }), { kind: "append", text: "b", seam: true });
  const replaced = twice();
  assert.deepEqual(replaced.apply(snapshot("2-5", "other")), { kind: "replace", text: "other" });
  assert.deepEqual(replaced.apply(delta("2-6", "x")), { kind: "append", text: "x" });
});

test("text ends a wait, also if the word of the wait came after the start", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), delta("1-2", "a"), started(2, "1-2")]);
  stream.apply({ type: "stream.queued", generation: ID, reason: "continuing", message: "Another one goes on." });
  assert.equal(stream.waiting.reason, "continuing");
  stream.apply(delta("2-2", "b"));
  assert.deepEqual([stream.waiting, stream.status], [null, "streaming"]);
});

test("a snapshot replaces the text when its last part came", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), delta("1-2", "wrong")]);
  assert.equal(stream.apply(snapshot("2-7", "right ", { last: false, recovered: false })).kind, "nothing");
  assert.equal(stream.text, "wrong");
  const effect = stream.apply(snapshot("2-7", "text", { part: 1, recovered: false }));
  assert.deepEqual(effect, { kind: "replace", text: "right text" });
  assert.equal(stream.recovered, false);
  assert.deepEqual(stream.known, { after: "2-7", epoch: "e1" });
});

test("after a snapshot of a text that has no log, no epoch is named, but the place is", () => {
  const stream = new Stream(ID);
  stream.apply({ ...snapshot("2-7", "text", { recovered: false }), epoch: "" });
  assert.deepEqual(stream.known, { after: "2-7" });
});

test("a snapshot with more of the same text only adds to it", () => {
  const stream = new Stream(ID);
  applyAll(stream, [snapshot("1-2", "ab")]);
  assert.deepEqual(stream.apply(snapshot("1-5", "abcd")), { kind: "append", text: "cd" });
});

test("a snapshot part that is missing is a hole", () => {
  const stream = new Stream(ID);
  assert.equal(stream.apply(snapshot("1-2", "b", { part: 1 })).kind, "hole");
});

test("the answer to a subscription does not disturb a snapshot that is under way", () => {
  const stream = new Stream(ID);
  stream.apply(snapshot("1-2", "a", { last: false }));
  stream.subscribed({ epoch: "e1", recovered: false, status: "streaming" });
  stream.apply(snapshot("1-2", "b", { part: 1 }));
  assert.equal(stream.text, "ab");
});

test("the end of a finished row is taken although the snapshot already has its position", () => {
  const stream = new Stream(ID);
  applyAll(stream, [snapshot("1-9", "text", { status: "completed" }), ended("1-9")]);
  assert.equal(stream.status, "completed");
});

test("nothing comes after the end", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), ended("1-2", "stream.stopped"), delta("1-3", "more"), ended("1-4")]);
  assert.equal(stream.text, "");
  assert.equal(stream.status, "stopped");
});

test("a generation may end in the queue, before any attempt", () => {
  const stream = new Stream(ID);
  stream.apply({ type: "stream.queued", generation: ID, reason: "waiting_for_queue" });
  assert.deepEqual(stream.waiting, { reason: "waiting_for_queue", message: "", retryInS: null });
  stream.apply(ended("0-1", "stream.expired"));
  assert.equal(stream.status, "expired");
  assert.equal(stream.waiting, null);
});

test("a place in the line is told with all that is known of it", () => {
  const stream = new Stream(ID);
  const frame = { type: "stream.queued", generation: ID, reason: "waiting" };
  stream.apply({ ...frame, ahead: 2, p50_s: 40, p90_s: 70, why: "paused", resume_s: 20 });
  const known = { reason: "waiting", message: "", retryInS: null, ahead: 2, p50S: 40, p90S: 70, why: "paused", resumeS: 20 };
  assert.deepEqual([stream.waiting, stream.status], [known, "queued"]);
  stream.apply({ ...frame, ahead: 1, why: "open" });
  assert.deepEqual([stream.waiting.p50S, stream.waiting.resumeS], [null, null]);
  stream.apply(started(1, "0-0"));
  assert.equal(stream.waiting, null);
});

test("the row's final text settles a stream whose end did not arrive", () => {
  const stream = new Stream(ID);
  applyAll(stream, [started(1, "0-0"), delta("1-2", "ab")]);
  assert.deepEqual(stream.settle({ text: "abc", status: "completed" }), { kind: "append", text: "c" });
  assert.equal(stream.status, "completed");
  assert.equal(stream.apply(delta("1-3", "c")).kind, "nothing");
});

test("every loss, repetition and interruption ends in the same text", () => {
  const words = ["a", "👩‍👩‍👧", "\n", "é", "漢字", " ", "end"];
  const log = [started(1, "0-0"), ...words.map((text, index) => delta(`1-${index + 2}`, text)), ended("1-9")];
  for (let cut = 0; cut <= log.length; cut += 1) {
    const stream = new Stream(ID);
    applyAll(stream, log.slice(0, cut));
    applyAll(stream, log.slice(Math.max(0, cut - 2))); // replayed from before the cut
    assert.equal(stream.text, words.join(""));
    assert.equal(stream.status, "completed");
  }
});
