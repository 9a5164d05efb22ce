/** A conversation's feed, and streams that come and go with those who look at them. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { ConversationFeed } from "chat/conversation_feed.js";
import { ConversationState } from "chat/conversation_state.js";
import { Backoff } from "streaming/backoff.js";
import { Client } from "streaming/index.js";

import { FakeClock, FakeWebSocket, HELLO, settled } from "./fakes.js";

const ID = "00000000-0000-0000-0000-000000000001";

function setUp({ live = true } = {}) {
  const clock = new FakeClock();
  const sockets = [];
  const open = () => sockets[sockets.push(new FakeWebSocket()) - 1];
  const backoff = new Backoff({ random: () => 1 });
  const client = new Client({ url: "ws://test/ws/v1/", open, clock, backoff, random: () => 1, isOnline: () => true });
  const page = { client, clock, newest: () => sockets.at(-1), asked: (type) => sockets.at(-1).sentOf(type) };
  client.connect();
  if (live) page.newest().receive(HELLO);
  return page;
}

const row = (id, revision = 1) => ({ id, revision, role: "user", text: `text ${id}`, parent: null, generation: null });
const changed = (revision, messages, more = {}) => ({
  type: "conversation.changed", conversation: "c", revision, title: "Hubs", participants: [], messages, removed: [], ...more,
});

function follow(page) {
  const feed = new ConversationFeed(page.client, ConversationState.unknown("c"), page.clock);
  const seen = [];
  feed.view.watch((view, change) => seen.push({ ...view, came: change.messages.map(({ id }) => id) }));
  feed.open();
  return { feed, seen };
}

function answerLast(page, ...frames) {
  page.newest().receive({ type: "ok", id: page.asked("conversation.subscribe").at(-1).id }, ...frames);
}

test("a feed that knows nothing asks for everything and shows what comes", () => {
  const page = setUp();
  const { seen } = follow(page);
  assert.deepEqual(page.asked("conversation.subscribe"), [{ type: "conversation.subscribe", id: 1, conversation: "c" }]);
  answerLast(page, changed(7, [row(1), row(2)], { complete: true }));
  page.newest().receive(changed(8, [row(3, 8)]));
  assert.deepEqual(seen.map(({ came }) => came), [[1, 2], [3]]);
  assert.deepEqual([seen[1].messages.length, seen[1].title, seen[1].gone], [3, "Hubs", false]);
});

test("a hole, a newer revision in a heartbeat and a new connection ask for what came since", () => {
  const page = setUp();
  follow(page);
  answerLast(page, changed(7, [row(1)], { complete: true }));
  page.newest().receive(changed(9, [row(3, 9)]));
  answerLast(page, changed(9, [row(2, 8), row(3, 9)]));
  const heads = [{ conversation: "c", revision: 11 }];
  page.newest().receive({ type: "heartbeat", server_time: "", streams: [], conversations: heads });
  assert.deepEqual(page.asked("conversation.subscribe").map(({ since }) => since), [undefined, 7, 9]);
  page.newest().end(1006);
  page.clock.advance(1000);
  page.newest().receive(HELLO);
  assert.deepEqual(page.asked("conversation.subscribe").map(({ since }) => since), [9]);
});

test("what is no longer ours to read is said once and not asked for again", async () => {
  const page = setUp();
  const { seen } = follow(page);
  page.newest().receive({ type: "error", id: 1, code: "not_found", message: "", retryable: false });
  await settled();
  page.clock.advance(5000);
  assert.deepEqual(seen.map(({ gone }) => gone), [true]);
  assert.equal(page.asked("conversation.subscribe").length, 1);
});

test("a passing refusal is asked again after a while, unless the feed was closed meanwhile", async () => {
  const page = setUp();
  const { feed } = follow(page);
  const refuse = async () => {
    const { id } = page.asked("conversation.subscribe").at(-1);
    page.newest().receive({ type: "error", id, code: "unavailable", message: "", retryable: true });
    await settled();
    page.clock.advance(2000);
  };
  await refuse();
  assert.equal(page.asked("conversation.subscribe").length, 2);
  feed.close();
  await refuse();
  assert.equal(page.asked("conversation.subscribe").length, 2);
  assert.equal(page.asked("conversation.unsubscribe").length, 1);
});

test("followers share one subscription, and the last to leave lets the stream go", () => {
  const page = setUp();
  const texts = [];
  const ends = [1, 2].map(() => page.client.follow(ID, ({ text }) => texts.push(text)));
  assert.equal(page.asked("stream.subscribe").length, 1);
  page.newest().receive({ type: "stream.started", generation: ID, position: "1-1", attempt: 1, follows: "0-0", model: "demo" });
  page.newest().receive({ type: "stream.delta", generation: ID, position: "1-2", text: "Hello" });
  assert.deepEqual(texts.slice(-2), ["Hello", "Hello"]);
  assert.equal(page.client.answer(ID).text, "Hello");
  ends[0]();
  ends[0]();
  assert.equal(page.asked("stream.unsubscribe").length, 0);
  ends[1]();
  assert.equal(page.asked("stream.unsubscribe").length, 1);
  assert.equal(page.client.answer(ID), null);
});

test("a stream that somebody subscribed to stays when its followers leave", () => {
  const page = setUp();
  page.client.subscribe(ID);
  page.client.follow(ID, () => {})();
  assert.equal(page.asked("stream.unsubscribe").length, 0);
  page.client.unsubscribe(ID);
  assert.equal(page.asked("stream.unsubscribe").length, 1);
});

test("the state that a follower reads is the same object until something changes", () => {
  const page = setUp();
  page.client.follow(ID, () => {});
  assert.equal(page.client.answer(ID), page.client.answer(ID)); // what useSyncExternalStore asks of a snapshot
});
