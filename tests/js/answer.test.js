import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Answer } from "chat/answer.js";

const running = { text: "Once", waiting: null, end: null, status: "streaming" };
const listener = { onFirstText() {}, onWaiting() {}, onReplaced() {}, onEnded() {} };
const nothingNew = "Nothing new for a while. Still waiting…";

/** What an answer's view was told to show last. */
class View {
  element = { toggleAttribute() {}, removeAttribute() {} };
  text = { isEmpty: false, append() {}, replace() {} };
  shown = [];
  showState = (...shown) => (this.shown = shown);
  showEnd = (state) => (this.shown = [state]);
}

/** A subscription that holds a state and says what becomes of it. */
class Subscription {
  state = { value: running, watch: (action) => (this.change = action) };
}

function begin() {
  const view = new View();
  const subscription = new Subscription();
  new Answer(view, subscription, listener);
  return { view, change: subscription.change };
}

beforeEach(() => {
  globalThis.document = { hidden: true, addEventListener() {} };
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
});

afterEach(() => mock.timers.reset());

test("an answer that stands still says that it is not over, until text comes", () => {
  const { view, change } = begin();
  mock.timers.tick(9000);
  change(running, { kind: "append", text: " upon", seam: false });
  mock.timers.tick(9999);
  assert.deepEqual(view.shown, ["answering", ""]);
  mock.timers.tick(1);
  assert.deepEqual(view.shown, ["answering", nothingNew]);
  change(running, { kind: "append", text: " a time", seam: false });
  assert.deepEqual(view.shown, ["answering", ""]);
});

test("an answer that waits for a known reason keeps saying which", () => {
  const { view, change } = begin();
  change({ ...running, waiting: { reason: "waiting_for_queue", message: "Third in line." } }, { kind: "status" });
  mock.timers.tick(60000);
  assert.deepEqual(view.shown, ["answering", "Third in line."]);
});

test("an answer that has ended says nothing more", () => {
  const { view, change } = begin();
  change({ ...running, status: "completed", end: { message: "" } }, { kind: "ended" });
  mock.timers.tick(60000);
  assert.deepEqual(view.shown, ["done"]);
});
