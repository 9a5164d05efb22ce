import assert from "node:assert/strict";
import { test } from "node:test";

import { Paragraphs, ReadAloud } from "chat/read_aloud.js";
import { wish } from "chat/shortcuts.js";

import { MemoryStorage } from "./fakes.js";

const key = (more) => ({ key: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, target: null, ...more });
const field = { closest: () => ({}) };
const elsewhere = { closest: () => null };

test("paragraphs are told once each, however the text arrives", () => {
  const text = "# One\n\ntwo\nlines\n\n\n\nthree";
  for (let size = 1; size <= text.length; size += 1) {
    const paragraphs = new Paragraphs();
    const told = [];
    for (let end = size; end < text.length + size; end += size) told.push(...paragraphs.next(text.slice(0, end)));
    assert.deepEqual(told, ["One", "two lines"], `in pieces of ${size}`);
    assert.equal(paragraphs.rest(text), "three");
  }
});

test("what stood there before is not told again", () => {
  const paragraphs = new Paragraphs();
  paragraphs.startOver("one\n\ntwo");
  assert.deepEqual(paragraphs.next("one\n\ntwo\n\nthree"), ["two"]);
});

class Followed {
  state = { value: { text: "" }, watch: (watcher) => (this.changed = watcher) };

  append(text) {
    this.state.value.text += text;
    this.changed(this.state.value, { kind: "append" });
  }
}

function readAloud(choice) {
  globalThis.document = { documentElement: { toggleAttribute() {} } };
  const control = () => ({ addEventListener() {}, value: "", checked: false });
  const storage = new MemoryStorage();
  storage.setItem("chat.readAloud", `${choice} `);
  return new ReadAloud(control(), control(), storage);
}

test("an answer is read out as its listener wants", () => {
  const expected = {
    end: [[], "whole"],
    paragraph: [["one", "two"], "three"],
    off: [[], ""],
    nonsense: [[], "whole"],
  };
  for (const [choice, [during, atEnd]] of Object.entries(expected)) {
    const said = [];
    const followed = new Followed();
    const lastWords = readAloud(choice).follow(followed, { say: (words) => said.push(words) }, () => "whole");
    for (const chunk of ["one\n", "\ntwo\n\nth", "ree"]) followed.append(chunk);
    assert.deepEqual(said, during, choice);
    assert.equal(lastWords({ ...followed.state.value, status: "completed" }), atEnd, choice);
    assert.equal(lastWords({ ...followed.state.value, status: "failed" }), "whole", "a failure is always told");
  }
});

test("keys mean what the sheet says", () => {
  assert.equal(wish(key({ key: "O", ctrlKey: true, shiftKey: true }), true), "new");
  assert.equal(wish(key({ key: "o", ctrlKey: true }), true), null);
  assert.equal(wish(key({ key: "?", shiftKey: true, target: elsewhere }), true), "sheet");
  assert.equal(wish(key({ key: "?", shiftKey: true, target: field }), true), null, "somebody writes");
  assert.equal(wish(key({ key: "?", shiftKey: true, target: elsewhere }), false), null, "they are turned off");
  assert.equal(wish(key({ key: "?", isComposing: true, target: elsewhere }), true), null, "an input method is at work");
});
