import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer, endSentence, spokenText } from "chat/announcer.js";
import { waitingSentence } from "chat/answer.js";
import { connectionSentence } from "chat/connection_line.js";
import { ConversationState, messageState } from "chat/conversation_state.js";
import { Outbox } from "chat/outbox.js";
import { Sending, newClientMessageId, refusal, sendOnce } from "chat/sending.js";
import { typingSentence } from "chat/typing.js";
import { CommandError } from "streaming/commands.js";

import { FakeClock, MemoryStorage, settled } from "./fakes.js";

const message = (id, more = {}) => ({
  id, role: "user", author: { id: 1, name: "ann" }, text: `text ${id}`, state: "sent", revision: 1, parent: null,
  client_message_id: `c${id}`, generation: null, ...more,
});
const answer = (id, parent, status, more = {}) => message(id, {
  role: "assistant", author: null, parent, client_message_id: null,
  generation: { id: `g${id}`, status, model: "demo", code: "", message: "", retryable: false }, ...more,
});
const state = (messages = [], revision = 1) => new ConversationState({
  conversation: "c", revision, title: "t", participants: [], messages, older: false,
});
const changed = (revision, messages, more = {}) => ({
  type: "conversation.changed", conversation: "c", revision, title: "t", participants: [], messages, removed: [], ...more,
});
const ids = (conversation) => conversation.messages.map(({ id }) => id);

test("changes in order are folded without asking", () => {
  const conversation = state();
  assert.equal(conversation.fold(changed(2, [message(1)])).hole, false);
  assert.equal(conversation.fold(changed(3, [message(2)])).hole, false);
  assert.deepEqual([ids(conversation), conversation.revision], [[1, 2], 3]);
});

test("a revision left out is a hole: its rows are shown, its revision is not believed", () => {
  const conversation = state();
  const { hole } = conversation.fold(changed(4, [message(3)]));
  assert.equal(hole, true);
  assert.deepEqual([ids(conversation), conversation.revision], [[3], 1]);
  conversation.fold(changed(4, [message(1), message(2), message(3)]), { isAnswer: true });
  assert.deepEqual([ids(conversation), conversation.revision], [[1, 2, 3], 4]);
});

test("a late older row does not undo a newer one", () => {
  const conversation = state([message(1, { revision: 5, text: "new" })], 5);
  conversation.fold(changed(4, [message(1, { revision: 4, text: "old" })]));
  assert.equal(conversation.message(1).text, "new");
  assert.equal(conversation.revision, 5);
});

test("a complete change replaces everything and names what is gone", () => {
  const conversation = state([message(1), message(2)]);
  const { removed } = conversation.fold(changed(9, [message(2), message(3)], { complete: true, older: true }));
  assert.deepEqual(removed, [1]);
  assert.deepEqual([ids(conversation), conversation.revision, conversation.older], [[2, 3], 9, true]);
});

test("removed messages go", () => {
  const conversation = state([message(1), message(2)]);
  conversation.fold(changed(2, [], { removed: [1] }));
  assert.deepEqual(ids(conversation), [2]);
});

test("answers stand below their questions", () => {
  const conversation = state([message(1), answer(2, 1, "failed"), message(3), message(4), answer(5, 3, "completed"),
    answer(6, 4, "queued"), answer(7, 1, "completed")]);
  assert.deepEqual(ids(conversation), [1, 2, 7, 3, 5, 4, 6]);
  assert.equal(conversation.beforeFirst, 1);
  assert.equal(state([message(4, { parent: 7 }), answer(8, 4, "completed")]).beforeFirst, 8);
  assert.equal(conversation.running.id, 6);
});

test("a message's state comes from its generation", () => {
  assert.equal(messageState(message(1)), "done");
  assert.equal(messageState(message(1, { state: "pending" })), "waiting");
  for (const [status, wanted] of Object.entries({
    queued: "answering", admitted: "answering", streaming: "answering", completed: "done", stopped: "stopped",
    interrupted: "interrupted", failed: "failed", expired: "failed",
  })) {
    assert.equal(messageState(answer(2, 1, status)), wanted);
  }
});

test("what is said about the connection", () => {
  assert.equal(connectionSentence({ name: "reconnecting", retryAt: 4000 }, 100), "Reconnecting in 4 s");
  assert.equal(connectionSentence({ name: "reconnecting", retryAt: 4000 }, 4000), "Reconnecting…");
  assert.equal(connectionSentence({ name: "offline", retryAt: 0 }, 0), "Offline");
  assert.equal(connectionSentence({ name: "closed", code: 4504 }, 0), "Open in too many tabs");
  assert.equal(connectionSentence({ name: "closed", code: 4777 }, 0), "Disconnected");
});

test("what is said while an answer waits", () => {
  const waiting = (reason, message = "", retryInS = null) => waitingSentence({ reason, message, retryInS });
  assert.equal(waiting("starting"), "Starting…");
  assert.equal(waiting("waiting_for_queue"), "Waiting for the queue…");
  assert.equal(waiting("retrying", "It is overloaded.", 3.2), "It is overloaded. Trying again in 4 s.");
  assert.equal(waiting("continuing", "The answer goes on."), "The answer goes on.");
});

test("a short answer is read out at its end, a long one only counted", () => {
  const end = {};
  assert.equal(endSentence({ status: "completed", text: "**Bold** and `code`", end }), "Bold and code");
  assert.equal(endSentence({ status: "completed", text: "word ".repeat(200), end }), "Answer finished, 200 words");
  assert.equal(endSentence({ status: "completed", text: "", end }), "The model had nothing to say.");
  assert.equal(endSentence({ status: "stopped", text: "x", end }), "Answer stopped.");
  assert.equal(endSentence({ status: "failed", text: "", end: { message: "No key." } }), "No answer. No key.");
  assert.equal(spokenText("# A\n\n* b"), "A b");
});

/** An announcer and what it says. */
function announcing() {
  const clock = new FakeClock();
  const said = [];
  globalThis.document = { createElement: () => ({ remove() {} }) };
  return { clock, said, announcer: new Announcer({ append: (line) => said.push(line.textContent) }, clock) };
}

test("those who listen hear of a wait every ten seconds at most, and then the newest", () => {
  const { clock, said, announcer } = announcing();
  announcer.sayWaiting("3 ahead");
  announcer.sayWaiting("2 ahead");
  clock.advance(4000);
  announcer.sayWaiting("1 ahead");
  clock.advance(5999);
  assert.deepEqual(said, ["3 ahead"]);
  clock.advance(1);
  assert.deepEqual(said, ["3 ahead", "1 ahead"]);
  announcer.sayWaiting("1 ahead");
  clock.advance(60000);
  assert.equal(said.length, 2, "nothing new");
});

test("what was kept back is not said any more once the wait is over", () => {
  const { clock, said, announcer } = announcing();
  announcer.sayWaiting("2 ahead");
  announcer.sayWaiting("1 ahead");
  announcer.stopWaiting();
  clock.advance(60000);
  assert.deepEqual(said, ["2 ahead"]);
});

test("who is writing", () => {
  assert.equal(typingSentence([]), "");
  assert.equal(typingSentence(["ann"]), "ann is writing…");
  assert.equal(typingSentence(["ann", "bob"]), "ann and bob are writing…");
  assert.equal(typingSentence(["a", "b", "c"]), "Several people are writing…");
});

test("drafts and unsent messages are kept per conversation and leave nothing behind", () => {
  const storage = new MemoryStorage();
  const outbox = new Outbox(1, "c1", storage);
  outbox.draft = "half";
  outbox.add({ client_message_id: "a", text: "one" });
  outbox.add({ client_message_id: "b", text: "two" });
  const again = new Outbox(1, "c1", storage);
  assert.equal(again.draft, "half");
  assert.deepEqual(again.unsent.map(({ text }) => text), ["one", "two"]);
  assert.deepEqual(new Outbox(1, "c2", storage).unsent, []);
  assert.deepEqual(new Outbox(2, "c1", storage).unsent, []);
  again.remove("a");
  again.remove("b");
  again.draft = "";
  assert.equal(storage.items.size, 0);
});

test("a browser without storage, or with somebody else's content in it, still works", () => {
  const refuse = () => {
    throw new Error("denied");
  };
  const outbox = new Outbox(1, "c", { getItem: refuse, setItem: refuse, removeItem: refuse });
  outbox.add({ client_message_id: "a" });
  assert.deepEqual([outbox.draft, outbox.unsent], ["", []]);
  const storage = new MemoryStorage();
  storage.setItem("chat.unsent.c", "{not json");
  assert.deepEqual(new Outbox(1, "c", storage).unsent, []);
});

function sendingWith(...answers) {
  const sent = [];
  const events = [];
  const client = {
    send(type, fields) {
      sent.push({ type, ...fields });
      const answer = answers.shift();
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  const outbox = new Outbox(1, "c", new MemoryStorage());
  const listener = Object.fromEntries(
    ["onShown", "onAccepted", "onRefused", "onLate"].map((name) => [name, () => events.push(name)]),
  );
  return { sent, events, outbox, sending: new Sending(client, "c", outbox, listener) };
}

test("a message is kept until the server has it", async () => {
  const { sent, events, outbox, sending } = sendingWith({ message: 1, generation: "g" });
  sending.send("hello", "demo");
  assert.equal(outbox.unsent.length, 1);
  await settled();
  assert.deepEqual([outbox.unsent, events], [[], ["onShown", "onAccepted"]]);
  assert.deepEqual([sent[0].text, sent[0].model], ["hello", "demo"]);
});

test("a refusal ends it; the text is the composer's again", async () => {
  const { events, outbox, sending } = sendingWith(new CommandError({ code: "too_many", message: "Wait." }));
  sending.send("hello", "");
  await settled();
  assert.deepEqual([outbox.unsent, events], [[], ["onShown", "onRefused"]]);
});

test("silence is followed by the same message under the same id", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { sent, events, outbox, sending } = sendingWith(new CommandError({ code: "timeout" }), { message: 1 });
  sending.send("hello", "demo");
  await settled();
  assert.equal(outbox.unsent.length, 1);
  context.mock.timers.tick(3000);
  await settled();
  assert.deepEqual(events, ["onShown", "onLate", "onAccepted"]);
  assert.equal(sent[0].client_message_id, sent[1].client_message_id);
});

test("what the last page did not finish goes on, except what the server has", async () => {
  const { sent, outbox, sending } = sendingWith({ message: 2 });
  outbox.add({ client_message_id: "known", text: "a", model: "" });
  outbox.add({ client_message_id: "unknown", text: "b", model: "" });
  sending.resume(new Set(["known"]));
  await settled();
  assert.deepEqual(sent.map((command) => command.client_message_id), ["unknown"]);
  assert.equal("model" in sent[0], false);
  assert.deepEqual(outbox.unsent, []);
});

test("ids are random and fit the protocol", () => {
  const made = new Set(Array.from({ length: 100 }, () => newClientMessageId()));
  assert.equal(made.size, 100);
  for (const id of made) assert.match(id, /^[0-9a-f]{32}$/);
});

test("a text that is too long is refused before it is sent, counted as the server counts", () => {
  const limits = { message_chars: 3 };
  assert.equal(refusal("abc", limits), "");
  assert.equal(refusal("👍👍👍", limits), "");
  assert.match(refusal("abcd", limits), /has 4 characters/);
  assert.equal(refusal("x".repeat(100), null), "");
});

test("a command that makes something keeps its name until it is answered", async () => {
  const sent = [];
  const answers = [new CommandError({ code: "timeout" }), { generation: "g" }];
  const client = {
    async send(type, fields, { safe }) {
      sent.push({ type, ...fields, safe });
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  assert.deepEqual(await sendOnce(client, "generation.retry", { generation: "old" }), { generation: "g" });
  assert.deepEqual(sent[0], sent[1]);
  assert.deepEqual([sent[0].type, sent[0].generation, sent[0].safe], ["generation.retry", "old", true]);
  answers.push(new CommandError({ code: "busy" }));
  await assert.rejects(sendOnce(client, "generation.retry", { generation: "old" }), { code: "busy" });
  assert.equal(sent.length, 3);
  assert.notEqual(sent[2].client_command_id, sent[0].client_command_id);
  answers.push(...Array.from({ length: 9 }, () => new CommandError({ code: "timeout" })));
  await assert.rejects(sendOnce(client, "message.edit", { message: 1 }), { code: "timeout" });
  assert.equal(sent.length, 6);
});
