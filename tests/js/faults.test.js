/** Many short lives of one stream over a bad network: whatever happens, what is shown is always a prefix of the end. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "streaming/backoff.js";
import { Client } from "streaming/index.js";

import { FakeClock, FakeWebSocket, HELLO, settled } from "./fakes.js";

const ID = "00000000-0000-0000-0000-000000000001";
const WORDS = ["a ", "👩‍👩‍👧", "\n", "é", "漢字 ", "end. "];

/** Reproducible random numbers (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A finished log of two attempts, and its text. */
async function makeLog(random) {
  const events = [{ type: "stream.started", position: "1-1", follows: "0-0", attempt: 1, model: "demo" }];
  let text = "";
  for (const attempt of [1, 2]) {
    if (attempt === 2) {
      events.push({ type: "stream.started", position: "2-1", follows: events.at(-1).position, attempt, model: "demo" });
    }
    for (let seq = 2; seq < 12; seq += 1) {
      const word = WORDS[Math.floor(random() * WORDS.length)];
      events.push({ type: "stream.delta", position: `${attempt}-${seq}`, text: word });
      text += word;
    }
  }
  const encoded = new TextEncoder().encode(text);
  const sha256 = Buffer.from(await crypto.subtle.digest("SHA-256", encoded)).toString("hex");
  events.push({ type: "stream.completed", position: "2-12", bytes: encoded.length, sha256 });
  return { text, events: events.map((event) => ({ ...event, generation: ID })) };
}

/** What a server says to a subscription while `head` events are in its log. */
function catchUp(log, head, { id, after, epoch }, random) {
  const from = log.events.findIndex((event) => event.position === after) + 1;
  const known = epoch === "e1" && (from > 0 || after === "0-0");
  const ok = { type: "ok", id, generation: ID, epoch: "e1", recovered: known, status: "streaming" };
  if (known) return [ok, ...log.events.slice(from, head)];
  const at = Math.floor(random() * (head + 1));
  const shown = log.events.slice(0, at);
  const text = shown.map((event) => event.text ?? "").join("");
  const position = shown.at(-1)?.position ?? "0-0";
  const cut = Math.floor(text.length / 2);
  const part = { type: "stream.snapshot", generation: ID, epoch: "e1", position, recovered: true, model: "demo" };
  const rest = log.events.slice(position === "2-12" ? at - 1 : at, head);
  return [ok, { ...part, status: "streaming", part: 0, last: false, text: text.slice(0, cut) },
    { ...part, status: "streaming", part: 1, last: true, text: text.slice(cut) }, ...rest];
}

async function live(seed) {
  const random = randomFrom(seed);
  const log = await makeLog(random);
  const clock = new FakeClock();
  let webSocket = null;
  const client = new Client({
    open: () => (webSocket = new FakeWebSocket()), clock, backoff: new Backoff({ random }), random, isOnline: () => true,
  });
  const shown = [];
  client.subscribe(ID).state.watch(({ text }) => shown.push(text));
  client.connect();
  let head = 0;
  for (let step = 0; step < 400 && client.subscribe(ID).state.value.end === null; step += 1) {
    const { name } = client.connection.value;
    if (name !== "live") {
      if (name === "connecting") webSocket.receive(HELLO);
      else clock.advance(500);
      continue;
    }
    const asked = webSocket.sentOf("stream.subscribe");
    if (asked.length > (webSocket.answered ?? 0)) {
      webSocket.answered = asked.length;
      webSocket.receive(...catchUp(log, head, asked.at(-1), random));
    }
    act(random(), webSocket, log, head, clock);
    if (head < log.events.length && random() < 0.5) {
      const event = log.events[head];
      head += 1;
      if (random() < 0.8) webSocket.receive(event); // else it is lost on the way
      if (random() < 0.1) webSocket.receive(event);
    }
    await settled();
  }
  return { log, shown, state: client.subscribe(ID).state.value, counters: client.counters };
}

function act(chance, webSocket, log, head, clock) {
  if (chance < 0.06) webSocket.end(1006);
  else if (chance < 0.1) webSocket.receiveAfterLoss();
  else if (chance < 0.15 && head > 0) webSocket.receive(log.events[Math.floor((chance - 0.1) * 20 * head)]);
  else if (chance < 0.4) webSocket.receive(beat(log, head));
  else if (chance < 0.5) clock.advance(700);
}

function beat(log, head) {
  const position = log.events[head - 1]?.position ?? "0-0";
  return { type: "heartbeat", streams: [{ generation: ID, position, epoch: "e1" }], conversations: [] };
}

test("in 300 lives with losses, repetitions and broken lines the text is exact and only ever grows", async () => {
  let healed = 0;
  for (let seed = 1; seed <= 300; seed += 1) {
    const { log, shown, state, counters } = await live(seed);
    assert.equal(state.text, log.text, `seed ${seed}`);
    assert.equal(state.status, "completed", `seed ${seed}`);
    assert.equal(counters.mismatches, 0, `seed ${seed}`);
    for (const text of shown) assert.ok(log.text.startsWith(text), `seed ${seed}: ${text}`);
    for (let at = 1; at < shown.length; at += 1) assert.ok(shown[at].length >= shown[at - 1].length, `seed ${seed}`);
    healed += counters.holes;
  }
  assert.ok(healed > 100, `only ${healed} holes were met`);
});
