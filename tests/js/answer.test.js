import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Answer } from "chat/answer.js";
import { WaitMemory } from "chat/wait_memory.js";

import { MemoryStorage, plain } from "./fakes.js";

const running = { text: "Once", waiting: null, end: null, status: "streaming" };
const queued = { text: "", waiting: null, end: null, status: "queued" };
const inLine = (more = {}) => ({
  reason: "waiting", message: "", retryInS: null, ahead: 2, p50S: 40, p90S: 70, why: "open", resumeS: null, ...more,
});
const nothingNew = "Nothing new for a while. Still waiting…";

/** What an answer's view was told to show last. */
class View {
  element = { toggleAttribute() {}, removeAttribute() {} };
  text = { isEmpty: false, append() {}, replace() {}, commit() {}, finish() {} };
  shown = [];
  line = null;
  reason = null;
  showWait = (line, reason) => Object.assign(this, { line: plain(line), reason });
  hideWait = () => (this.line = null);
  showState = (...shown) => (this.shown = shown);
  showEnd = (state) => (this.shown = [state]);
}

/** A subscription that holds a state and says what becomes of it. */
class Subscription {
  constructor(value) {
    this.state = { value, watch: (action) => (this.change = action) };
  }
}

/** `pass(s)` moves the clock and the timers; `heard` is what those hear who listen. */
function begin({ value = running, memory = new WaitMemory(new MemoryStorage(), () => Date.now()), isOwn = true } = {}) {
  const view = new View();
  const subscription = new Subscription(value);
  const heard = [];
  const place = { generation: "g", isOwn, memory, now: () => Date.now() };
  const listener = {
    onFirstText: () => heard.push("text"), onReplaced() {}, onEnded() {},
    onWaiting: (sentence) => heard.push(sentence), onStarted: () => heard.push("started"),
  };
  new Answer(view, subscription, place, listener);
  return { view, change: (state) => subscription.change(state, { kind: "status" }), heard, subscription, memory };
}

beforeEach(() => {
  globalThis.document = { hidden: true, addEventListener() {} };
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
});

afterEach(() => mock.timers.reset());

test("an answer that stands still says that it is not over, until text comes", () => {
  const { view, subscription } = begin();
  const change = subscription.change;
  mock.timers.tick(9000);
  change(running, { kind: "append", text: " upon", seam: false });
  mock.timers.tick(9999);
  assert.deepEqual(view.shown, ["answering", ""]);
  mock.timers.tick(1);
  assert.deepEqual(view.shown, ["answering", nothingNew]);
  change(running, { kind: "append", text: " a time", seam: false });
  assert.deepEqual(view.shown, ["answering", ""]);
});

test("the first text is told once, also by a tab that has not drawn it yet", () => {
  const { view, subscription, heard } = begin({ value: { ...running, text: "" } });
  view.text.isEmpty = true;
  for (const text of ["Once", " upon", " a time"]) subscription.change(running, { kind: "append", text, seam: false });
  assert.equal(heard.filter((word) => word === "text").length, 1);
});

test("an answer that waits for a known reason keeps saying which", () => {
  const { view, change } = begin();
  change({ ...running, waiting: { reason: "waiting_for_queue", message: "The queue is away." } });
  mock.timers.tick(60000);
  assert.deepEqual(view.shown, ["answering", "The queue is away."]);
});

test("an answer that has ended says nothing more", () => {
  const { view, subscription } = begin();
  subscription.change({ ...running, status: "completed", end: { message: "" } }, { kind: "ended" });
  mock.timers.tick(60000);
  assert.deepEqual(view.shown, ["done"]);
});

test("a place in the line is counted down to any moment and goes when it starts", () => {
  const { view, change, heard } = begin({ value: queued });
  change({ ...queued, waiting: inLine() });
  assert.equal(view.line, "2 ahead of you · about 40 s, usually under 1 min 15");
  const seen = [];
  for (let second = 0; second < 80; second += 1) {
    mock.timers.tick(1000);
    if (seen.at(-1) !== view.line) seen.push(view.line);
  }
  assert.equal(seen[1], "2 ahead of you · about 35 s, usually under 1 min 15");
  assert.deepEqual(seen.slice(-2), ["2 ahead of you · starting", "2 ahead of you · any moment"]);
  change({ ...queued, status: "admitted" });
  assert.equal(view.line, null);
  assert.deepEqual(heard, ["2 ahead of you, about 40 seconds, usually under 1 minute 15 seconds.", "started"]);
});

test("those who listen are not kept from the place by hearing first that it waits", () => {
  const { view, change, heard } = begin({ value: queued });
  change({ ...queued, waiting: inLine({ ahead: null, p50S: null, p90S: null }) });
  assert.deepEqual([view.line, heard], ["Waiting for its turn", []]);
});

test("the same announcement shown again does not begin the count anew", () => {
  const { view, change, heard } = begin({ value: queued });
  const waiting = inLine();
  change({ ...queued, waiting });
  mock.timers.tick(20000);
  change({ ...queued, waiting });
  assert.match(view.line, /about 20 s/);
  assert.equal(heard.length, 1);
});

test("after a reload the count goes on where it was, before the server has said anything", () => {
  const { change, memory } = begin({ value: queued });
  change({ ...queued, waiting: inLine() });
  mock.timers.tick(15000);
  const { view, change: changeAgain } = begin({ value: queued, memory });
  assert.match(view.line, /about 25 s/);
  changeAgain({ ...queued, waiting: { reason: "starting", message: "", retryInS: null } });
  assert.match(view.line, /about 25 s/);
  changeAgain({ ...queued, waiting: inLine({ p50S: 27 }) });
  assert.match(view.line, /about 25 s/, "a little more is no news");
  changeAgain(running);
  assert.equal(view.line, null);
  assert.equal(begin({ value: queued, memory }).view.line, null, "forgotten when it has started");
});

test("an answer that fails and waits for another try leaves the line", () => {
  const { view, change } = begin({ value: queued });
  change({ ...queued, waiting: inLine() });
  change({ ...queued, waiting: { reason: "retrying", message: "It failed.", retryInS: 4 } });
  assert.equal(view.line, null);
  assert.deepEqual(view.shown, ["answering", "It failed. Trying again in 4 s."]);
});
