/** The golden frames, made and checked by the server's tests: what we read must be in them, what we send too. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { ConversationState } from "chat/conversation_state.js";
import { Backoff } from "streaming/backoff.js";
import { Client } from "streaming/index.js";
import { ENDINGS } from "streaming/protocol.js";
import { Stream } from "streaming/stream.js";

import { FakeClock, FakeWebSocket } from "./fakes.js";

const folder = new URL("../fixtures/protocol/", import.meta.url);
const golden = Object.fromEntries(
  readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => [name.slice(0, -".json".length), JSON.parse(readFileSync(new URL(name, folder), "utf8"))]),
);

function live() {
  const webSocket = new FakeWebSocket();
  const client = new Client({
    open: () => webSocket, clock: new FakeClock(), backoff: new Backoff(), random: () => 1, isOnline: () => true,
  });
  client.connect();
  webSocket.receive(golden.hello);
  return { client, webSocket };
}

test("each golden frame has the name of its type", () => {
  for (const [name, frame] of Object.entries(golden)) assert.equal(frame.type, name);
});

test("the terminal events are the ones we know", () => {
  const terminal = Object.keys(golden).filter((name) => "sha256" in golden[name]);
  assert.deepEqual(terminal.sort(), Object.keys(ENDINGS).sort());
});

test("hello makes a client live", () => {
  const { client } = live();
  assert.equal(client.connection.value.name, "live");
  assert.equal(typeof client.hello.heartbeat_s, "number");
});

test("every stream frame is understood", () => {
  const { generation } = golden["stream.snapshot"];
  for (const [name, frame] of Object.entries(golden).filter(([name]) => name.startsWith("stream."))) {
    if (name.endsWith("subscribe")) continue; // a command
    const stream = new Stream(generation);
    stream.apply(golden["stream.snapshot"]);
    assert.equal(frame.generation, generation);
    assert.doesNotThrow(() => stream.apply(frame));
    if (frame.position) assert.doesNotThrow(() => new Stream(generation).apply({ ...frame, follows: "0-0" }));
  }
});

test("a golden delta after the golden snapshot's position is applied", () => {
  const stream = new Stream(golden["stream.snapshot"].generation);
  stream.apply(golden["stream.snapshot"]);
  const { text } = stream;
  const next = { ...golden["stream.delta"], position: "2-8", follows: "2-7" };
  assert.equal(stream.apply(next).kind, "append");
  assert.equal(stream.text, text + next.text);
});

test("the golden change of a conversation is folded with its messages and people", () => {
  const frame = golden["conversation.changed"];
  const state = new ConversationState({ ...frame, revision: frame.revision - 1, messages: [], participants: [] });
  state.fold(frame);
  assert.deepEqual(state.messages, frame.messages);
  assert.equal(state.running.generation.id, frame.messages.at(-1).generation.id);
});

test("the commands that the client sends by itself are spelled as in the golden frames", () => {
  const { client, webSocket } = live();
  const { generation } = golden["stream.snapshot"];
  client.subscribe(generation);
  webSocket.receive({ ...golden.ok, id: 1, epoch: "k3Jx9Qm2", recovered: true, status: "streaming" }, {
    ...golden["stream.started"], position: "1-1", follows: "0-0",
  });
  webSocket.receiveAfterLoss(golden.heartbeat);
  client.stop(generation);
  webSocket.receive(golden.heartbeat);
  for (const sent of webSocket.sent) {
    const model = golden[sent.type];
    assert.ok(model, `${sent.type} is not in the protocol`);
    for (const [field, value] of Object.entries(sent)) {
      assert.ok(field in model, `${sent.type} has no ${field}`);
      assert.equal(typeof value, typeof model[field], `${sent.type}.${field}`);
    }
  }
  assert.ok(webSocket.sentOf("pong").length > 0);
});
