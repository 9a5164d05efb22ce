import assert from "node:assert/strict";
import { test } from "node:test";

import { answerFacts } from "chat/answer_facts.js";
import { copyText } from "chat/clipboard.js";
import { ConversationState } from "chat/conversation_state.js";
import { Costs } from "chat/costs.js";
import { Editing } from "chat/editing.js";
import { versionWords } from "chat/message_actions.js";

import { FakeClock, settled } from "./fakes.js";

test("the facts of an answer are what is known of it", () => {
  const whole = { model: "demo", input_tokens: 1200, output_tokens: 340, cached_tokens: 1000, waited_ms: 2100,
    first_text_ms: 2600, duration_ms: 12600 };
  assert.deepEqual(answerFacts(whole), ["demo", "1,200 tokens in (1,000 cached)", "340 out", "waited 2.1 s",
    "first word after 2.6 s", "12.6 s in all", "34 tokens/s"]);
  assert.deepEqual(answerFacts({ model: "demo", input_tokens: null, output_tokens: undefined, waited_ms: 20 }), ["demo"]);
  assert.deepEqual(answerFacts({ ...whole, cached_tokens: 0, output_tokens: 9, duration_ms: 3600, waited_ms: 0 }),
    ["demo", "1,200 tokens in", "9 out", "first word after 2.6 s", "3.6 s in all", "9.0 tokens/s"]);
});

test("what an answer cost is asked for once, together with others, and shown when it is known", async () => {
  const clock = new FakeClock();
  const asked = [];
  const costs = new Costs(async (ids) => (asked.push(ids), { 1: 12300 }), clock);
  let news = 0;
  costs.onNews = () => (news += 1);
  assert.deepEqual([costs.of(1), costs.of(2), costs.of(1)], [null, null, null]);
  clock.advance(300);
  await settled();
  assert.deepEqual([asked, costs.of(1), costs.of(2), news], [[[1, 2]], 12300, null, 1]);
  assert.deepEqual(answerFacts({ model: "m", cost: 12300 }), ["m", "$0.0123"]);
  assert.deepEqual(answerFacts({ model: "m", cost: null }), ["m"]);
});

test("an answer that came at once has no speed", () => {
  const facts = answerFacts({ model: "m", output_tokens: 5, first_text_ms: 400, duration_ms: 420 });
  assert.ok(!facts.some((fact) => fact.includes("tokens/s")));
});

test("which version it is", () => assert.equal(versionWords(2, 3), "Version 2 of 3"));

test("a late frame does not take away what a newer one brought back", () => {
  const row = { id: 1, role: "user", parent: null, revision: 7, generation: null };
  const state = new ConversationState({ conversation: "c", revision: 7, messages: [row], participants: [], older: false });
  const late = { revision: 6, title: "t", participants: [], messages: [], removed: [1] };
  assert.deepEqual(state.fold(late), { hole: false, messages: [], removed: [] });
  assert.equal(state.messages.length, 1);
  assert.deepEqual(state.fold({ ...late, revision: 8 }).removed, [1]);
});

test("what models are told is kept until a frame tells of it anew", () => {
  const state = new ConversationState({ conversation: "c", revision: 1, messages: [], participants: [], older: false });
  const frame = (revision, more) => ({ revision, title: "t", participants: [], messages: [], removed: [], ...more });
  assert.deepEqual(state.told, { system_prompt: "", summary: null });
  state.fold(frame(2, { told: { system_prompt: "Be brief.", summary: null } }));
  state.fold(frame(3));
  assert.equal(state.told.system_prompt, "Be brief.");
});

/** A composer that only remembers. */
function editing(save) {
  const composer = { text: "draft", alert: "" };
  composer.borrow = (text) => Object.assign(composer, { text, alert: "" });
  composer.giveDraftBack = () => (composer.text = "draft");
  composer.showAlert = (sentence) => (composer.alert = sentence);
  const strip = { element: { hidden: true }, cancel: { addEventListener: (_, action) => (strip.press = action) } };
  const view = { element: { toggleAttribute() {}, removeAttribute() {} } };
  return { composer, strip, view, editing: new Editing(composer, strip, save) };
}

test("what was being written comes back after an edit", async () => {
  const saved = [];
  const { composer, strip, view, editing: edit } = editing(async (...fields) => saved.push(fields));
  edit.begin(3, view, "old words");
  assert.deepEqual([composer.text, strip.element.hidden, edit.isActive], ["old words", false, true]);
  await edit.finish("new words", "demo");
  assert.deepEqual(saved, [[3, "new words", "demo"]]);
  assert.deepEqual([composer.text, strip.element.hidden, edit.isActive], ["draft", true, false]);
});

test("a refused edit stays open with its reason", async () => {
  const refuse = () => Promise.reject(Object.assign(new Error(), { sentence: "An answer is being written." }));
  const { composer, view, editing: edit } = editing(refuse);
  edit.begin(3, view, "old");
  edit.finish("new", "demo");
  await settled();
  assert.deepEqual([composer.text, composer.alert, edit.isActive], ["new", "An answer is being written.", true]);
});

test("an edit ends when its message goes", () => {
  const { composer, strip, view, editing: edit } = editing();
  edit.begin(3, view, "old");
  edit.dropIf(4);
  assert.equal(edit.isActive, true);
  edit.dropIf(3);
  assert.deepEqual([edit.isActive, composer.text], [false, "draft"]);
  edit.begin(3, view, "old");
  strip.press();
  assert.equal(edit.isActive, false);
});

test("without a clipboard of its own a page copies what it selects", async () => {
  const field = { select: () => (field.isSelected = true), remove: () => (field.isGone = true) };
  const document = {
    activeElement: null, body: { append() {} }, createElement: () => field,
    execCommand: (name) => name === "copy" && field.isSelected && field.value === "words",
  };
  assert.equal(await copyText("words", { navigator: {}, document }), true);
  assert.equal(field.isGone, true);
  const refusing = { ...document, execCommand: () => false };
  assert.equal(await copyText("words", { navigator: {}, document: refusing }), false);
});
