import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "streaming/backoff.js";
import { Client } from "streaming/index.js";

import { FakeClock, FakeWebSocket, HELLO, settled } from "./fakes.js";

const ID = "00000000-0000-0000-0000-000000000001";

/** A client, its clock and the WebSockets that it opened, newest last. */
function setUp({ online = true, random = () => 1 } = {}) {
  const clock = new FakeClock();
  const sockets = [];
  const network = { online };
  const client = new Client({
    url: "ws://test/ws/v1/",
    open: (url, protocol) => {
      sockets.push(Object.assign(new FakeWebSocket(), { url, protocol }));
      return sockets.at(-1);
    },
    clock,
    backoff: new Backoff({ random }),
    random,
    isOnline: () => network.online,
  });
  return { client, clock, sockets, network, newest: () => sockets.at(-1) };
}

function live(options) {
  const page = setUp(options);
  page.client.connect();
  page.newest().receive(HELLO);
  return page;
}

test("it is live after hello and not before", () => {
  const { client, newest } = setUp();
  client.connect();
  assert.equal(client.connection.value.name, "connecting");
  assert.equal(newest().protocol, "chat.v1");
  newest().receive(HELLO);
  assert.equal(client.connection.value.name, "live");
  assert.equal(client.hello.user.name, "ann");
});

test("a lost connection comes back after a delay that grows", () => {
  const { client, clock, sockets, newest } = live();
  for (const [index, delay] of [500, 1000, 2000].entries()) {
    newest().end(1006);
    assert.deepEqual(client.connection.value, { name: "reconnecting", retryAt: clock.now() + delay });
    clock.advance(delay - 1);
    assert.equal(sockets.length, index + 1);
    clock.advance(1);
    assert.equal(sockets.length, index + 2);
  }
});

test("only a connection that held makes the next retry quick again", () => {
  const { client, clock, newest } = live();
  newest().end(1006);
  clock.advance(500);
  newest().receive(HELLO);
  clock.advance(10000);
  newest().end(1006);
  assert.equal(client.connection.value.retryAt - clock.now(), 500);
});

test("after the server's hint it comes back when it was told to, once", () => {
  const { client, clock, sockets, newest } = live();
  newest().receive({ type: "reconnect", after_ms: 3200 });
  assert.equal(client.connection.value.name, "live");
  newest().end(1012);
  assert.deepEqual(client.connection.value, { name: "reconnecting", retryAt: clock.now() + 3200 });
  clock.advance(3200);
  assert.equal(sockets.length, 2);
  newest().end(1006);
  assert.equal(client.connection.value.retryAt - clock.now(), 500);
});

test("the server's final close codes are final", () => {
  const { client, clock, sockets, newest } = live();
  newest().end(4501);
  assert.deepEqual(client.connection.value, { name: "closed", code: 4501 });
  client.connect();
  client.wake();
  clock.advance(600000);
  assert.equal(sockets.length, 1);
});

test("another version of the protocol ends it instead of guessing", () => {
  const { client, newest } = setUp();
  client.connect();
  newest().receive({ ...HELLO, protocol: 2 });
  assert.equal(client.connection.value.name, "closed");
});

test("try again later waits at least two seconds", () => {
  const { client, clock, newest } = live({ random: () => 0 });
  newest().end(1013);
  assert.equal(client.connection.value.retryAt - clock.now(), 2000);
});

test("waking up retries at once", () => {
  const { client, sockets, newest } = live();
  newest().end(1006);
  client.wake();
  assert.equal(sockets.length, 2);
});

test("without a network it says offline, and comes back by itself", () => {
  const { client, clock, network, sockets, newest } = live();
  network.online = false;
  newest().end(1006);
  assert.equal(client.connection.value.name, "offline");
  clock.advance(500); // the server may be on this very machine
  assert.equal(sockets.length, 2);
  newest().receive(HELLO);
  assert.equal(client.connection.value.name, "live");
});

test("a silent connection is replaced after two heartbeats and some slack", () => {
  const { client, clock, newest, sockets } = live();
  clock.advance(44999);
  assert.equal(client.connection.value.name, "live");
  clock.advance(1);
  assert.equal(client.connection.value.name, "reconnecting");
  assert.equal(sockets[0].closedWith, 1000);
  newest().onmessage({ data: '{"n":2,"frames":[]}' }); // a late word of the dead one is not heard
  assert.equal(client.connection.value.name, "reconnecting");
});

test("every envelope winds the watchdog up again and a heartbeat is answered", () => {
  const { client, clock, newest } = live();
  for (let index = 0; index < 5; index += 1) {
    clock.advance(30000);
    newest().receive({ type: "heartbeat", server_time: "", streams: [], conversations: [] });
  }
  assert.equal(client.connection.value.name, "live");
  assert.equal(newest().sentOf("pong").length, 5);
});

test("while an answer is live the watchdog follows the quicker heartbeats", () => {
  const { client, clock, newest } = live();
  client.subscribe(ID);
  const streams = [{ generation: ID, position: "0-0", epoch: "" }];
  for (let index = 0; index < 2; index += 1) {
    clock.advance(5000);
    newest().receive({ type: "heartbeat", server_time: "", streams, conversations: [] });
  }
  clock.advance(14999);
  assert.equal(client.connection.value.name, "live");
  clock.advance(1);
  assert.equal(client.connection.value.name, "reconnecting");
});

test("a server that never says hello is given up", () => {
  const { client, clock } = setUp();
  client.connect();
  clock.advance(10000);
  assert.equal(client.connection.value.name, "reconnecting");
});

test("envelopes are acknowledged after one second", () => {
  const { clock, newest } = live();
  newest().receive({ type: "typing.started" });
  assert.deepEqual(newest().sentOf("ack"), []);
  clock.advance(1000);
  assert.deepEqual(newest().sentOf("ack"), [{ type: "ack", n: 2 }]);
});

test("envelopes are acknowledged before 64 KiB, whatever the characters", () => {
  const { newest } = live();
  newest().receive({ type: "typing.started", filler: "漢".repeat(21845) });
  assert.deepEqual(newest().sentOf("ack"), [{ type: "ack", n: 2 }]);
});

test("a missing envelope makes it connect again", () => {
  const { sockets, newest } = live();
  newest().receiveAfterLoss({ type: "typing.started" });
  assert.equal(sockets.length, 2);
});

test("an answer resolves its command and a refusal rejects with the sentence", async () => {
  const { client, newest } = live();
  const good = client.send("generation.stop", { generation: ID });
  const bad = client.send("message.send", {});
  newest().receive({ type: "ok", id: 1, status: "streaming" }, {
    type: "error", id: 2, code: "too_many", message: "Slow down.", retryable: true, retry_after_s: 3,
  });
  assert.equal((await good).status, "streaming");
  await assert.rejects(bad, { code: "too_many", message: "Slow down.", retryable: true, retryAfterS: 3 });
});

test("a command that is larger than a frame may be is refused here: the server might hang up", async () => {
  const { client, newest } = live();
  await assert.rejects(client.send("message.send", { text: "漢".repeat(22000) }), { code: "too_large" });
  assert.deepEqual(newest().sentOf("message.send"), []);
});

test("a command without an answer is given up at its deadline", async () => {
  const { client, clock } = live();
  const command = client.send("generation.retry", { generation: ID });
  clock.advance(15000);
  await assert.rejects(command, { code: "timeout" });
});

test("a command waits for the connection and is then sent", () => {
  const { client, newest } = setUp();
  client.send("generation.retry", { generation: ID });
  client.connect();
  newest().receive(HELLO);
  assert.equal(newest().sentOf("generation.retry").length, 1);
});

test("after a lost connection only what is safe is sent again", async () => {
  const { client, newest } = live();
  const unsafe = client.send("generation.retry", { generation: ID });
  const safe = client.stop(ID);
  newest().end(1006);
  await assert.rejects(unsafe, { code: "connection_lost" });
  client.wake();
  newest().receive(HELLO);
  assert.deepEqual(newest().sent.map((frame) => frame.type), ["generation.stop"]);
  newest().receive({ type: "ok", id: 2, status: "stopped" });
  assert.equal((await safe).status, "stopped");
});

test("a stream is subscribed again after a lost connection, from where it was", () => {
  const { client, newest } = live();
  const { state } = client.subscribe(ID);
  newest().receive(
    { type: "ok", id: 1, generation: ID, epoch: "e1", recovered: true, status: "streaming" },
    { type: "stream.started", generation: ID, position: "1-1", follows: "0-0", attempt: 1, model: "demo" },
    { type: "stream.delta", generation: ID, position: "1-2", text: "a" },
  );
  newest().end(1006);
  client.wake();
  newest().receive(HELLO);
  const [again] = newest().sentOf("stream.subscribe");
  assert.deepEqual([again.after, again.epoch], ["1-2", "e1"]);
  assert.equal(state.value.text, "a");
});

test("a hole is healed by asking once, from the last position", () => {
  const { client, newest } = live();
  client.subscribe(ID);
  newest().receive(
    { type: "ok", id: 1, generation: ID, epoch: "e1", recovered: true, status: "streaming" },
    { type: "stream.started", generation: ID, position: "1-1", follows: "0-0", attempt: 1, model: "demo" },
    { type: "stream.delta", generation: ID, position: "1-3", text: "b" },
    { type: "stream.delta", generation: ID, position: "1-4", text: "c" },
  );
  assert.deepEqual(newest().sentOf("stream.subscribe").map((frame) => frame.after), [undefined, "1-1"]);
});

test("a hole that stays does not become a flood", () => {
  const { client, clock, newest } = live();
  client.subscribe(ID);
  for (let id = 1; id <= 20; id += 1) {
    const asked = newest().sentOf("stream.subscribe").at(-1);
    newest().receive({ type: "ok", id: asked.id, generation: ID, epoch: "e1", recovered: true, status: "streaming" });
    newest().receive({ type: "stream.delta", generation: ID, position: "1-9", text: "b" });
    clock.advance(100);
  }
  assert.ok(newest().sentOf("stream.subscribe").length <= 5);
});

test("whoever stays behind the server's head for two heartbeats asks again", () => {
  const { client, newest } = live();
  client.subscribe(ID);
  newest().receive(
    { type: "ok", id: 1, generation: ID, epoch: "e1", recovered: true, status: "streaming" },
    { type: "stream.started", generation: ID, position: "1-1", follows: "0-0", attempt: 1, model: "demo" },
  );
  const beat = { type: "heartbeat", streams: [{ generation: ID, position: "1-2", epoch: "e1" }], conversations: [] };
  newest().receive(beat);
  assert.equal(newest().sentOf("stream.subscribe").length, 1);
  newest().receive(beat);
  assert.equal(newest().sentOf("stream.subscribe").length, 2);
});

test("a text that is not what the end says is fetched again, once", async () => {
  const { client, newest } = live();
  const { state } = client.subscribe(ID);
  const end = { type: "stream.completed", generation: ID, position: "1-3", bytes: 5, sha256: "" };
  newest().receive(
    { type: "ok", id: 1, generation: ID, epoch: "e1", recovered: true, status: "streaming" },
    { type: "stream.started", generation: ID, position: "1-1", follows: "0-0", attempt: 1, model: "demo" },
    { type: "stream.delta", generation: ID, position: "1-2", text: "wrong!" },
    end,
  );
  await settled();
  const again = newest().sentOf("stream.subscribe").at(-1);
  assert.equal("after" in again, false);
  newest().receive(
    { type: "ok", id: again.id, generation: ID, epoch: "e1", recovered: false, status: "completed" },
    { type: "stream.snapshot", generation: ID, position: "1-3", epoch: "e1", part: 0, last: true, text: "right",
      recovered: true, status: "completed", model: "demo" },
    end,
  );
  await settled();
  assert.equal(state.value.text, "right");
  assert.equal(state.value.status, "completed");
  assert.equal(newest().sentOf("stream.subscribe").length, 2);
});

test("a stream that may not be read ends with a reason instead of asking for ever", async () => {
  const { client, newest } = live();
  const { state } = client.subscribe(ID);
  newest().receive({ type: "error", id: 1, code: "not_found", message: "Not found.", retryable: false });
  await settled();
  assert.equal(state.value.end.code, "not_found");
});

test("a page that is put away closes its socket and comes back with a new one", () => {
  const { client, clock, sockets } = live();
  client.pause();
  clock.advance(100000);
  assert.equal(sockets.length, 1);
  assert.equal(sockets[0].closedWith, 1000);
  client.connect();
  assert.equal(sockets.length, 2);
});

test("one listener's defect does not keep the frame from the others", () => {
  const { client, newest } = live();
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  let seen = 0;
  client.on("typing.started", () => {
    throw new Error("defect");
  });
  client.on("typing.started", () => (seen += 1));
  newest().receive({ type: "typing.started" });
  assert.deepEqual([seen, reported], [1, ["defect"]]);
});

test("a listener that refuses the hello keeps waiting commands from being sent", () => {
  const { client, newest } = setUp();
  client.on("hello", () => client.pause());
  client.send("message.send", { text: "mine" }, { safe: true });
  client.connect();
  const webSocket = newest();
  webSocket.receive(HELLO);
  assert.deepEqual(webSocket.sent, []);
  assert.equal(client.connection.value.name, "idle");
});

test("why an answer waits is known even if it was said before its message came", () => {
  const { client, newest } = live();
  newest().receive({ type: "stream.queued", generation: ID, reason: "waiting_for_queue", message: "The queue is away." });
  assert.equal(client.subscribe(ID).state.value.waiting.message, "The queue is away.");
});
