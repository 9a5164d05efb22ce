import assert from "node:assert/strict";
import { test } from "node:test";

import { ConversationList } from "chat/conversation_list.js";
import { dayLabel } from "chat/list_view.js";

const entry = (conversation, revision, read = 0, changedAt = "2026-11-21T10:00:00.000Z") => ({
  conversation,
  revision,
  read_revision: read,
  changed_at: changedAt,
  title: `${conversation}${revision}`,
});
const whole = (entries, head) => ({ complete: true, entries, removed: [], list_head: head });
const changed = (...entries) => ({ entries, removed: [] });

function listOf(...entries) {
  const list = new ConversationList();
  const total = entries.reduce((sum, one) => sum + one.revision + one.read_revision, 0);
  list.fold(whole(entries, { count: entries.length, total }));
  return list;
}

test("the last changed one stands first", () => {
  const list = listOf(entry("a", 1), entry("b", 1, 0, "2026-11-21T09:00:00.000Z"));
  list.fold(changed(entry("b", 2, 0, "2026-11-21T11:00:00.000Z")));
  assert.deepEqual(list.entries.map(({ title }) => title), ["b2", "a1"]);
});

test("what comes late or twice changes nothing", () => {
  const list = listOf(entry("a", 5, 3));
  for (const late of [entry("a", 4, 3), entry("a", 5, 2), entry("a", 5, 3)]) list.fold(changed(late));
  assert.deepEqual([list.get("a").revision, list.get("a").read_revision], [5, 3]);
});

test("what was removed is gone, and comes back as it is then", () => {
  const list = listOf(entry("a", 5, 3));
  list.fold({ entries: [], removed: ["a"] });
  assert.deepEqual(list.entries, []);
  list.fold(changed(entry("a", 7)));
  assert.equal(list.get("a").revision, 7);
});

test("whoever is behind the server's sum has missed something", () => {
  const list = listOf(entry("a", 5, 3), entry("b", 1));
  assert.equal(list.isStale({ count: 2, total: 9 }), false);
  assert.equal(list.isStale({ count: 2, total: 10 }), true);
});

test("whoever is ahead of an old sum waits for the next one, and asks if that says the same", () => {
  const list = listOf(entry("a", 5));
  list.fold(changed(entry("a", 6)));
  assert.equal(list.isStale({ count: 1, total: 5 }), false);
  assert.equal(list.isStale({ count: 1, total: 6 }), false);
  list.fold(changed(entry("ghost", 1))); // it came after its removal
  assert.equal(list.isStale({ count: 1, total: 6 }), false);
  assert.equal(list.isStale({ count: 1, total: 6 }), true);
});

test("of a long list, what is left out counts", () => {
  const list = new ConversationList();
  list.fold(whole([entry("a", 5)], { count: 300, total: 1000 }));
  assert.equal(list.isStale({ count: 300, total: 1000 }), false);
  list.fold(changed(entry("a", 6)));
  assert.equal(list.isStale({ count: 300, total: 1001 }), false);
  assert.equal(list.isStale({ count: 300, total: 1002 }), true);
});

test("days are named as people remember them", () => {
  const now = new Date(2026, 10, 21, 0, 30).getTime();
  const ago = (hours) => new Date(now - hours * 3600000).toISOString();
  assert.deepEqual([0, 1, 30, 24 * 5].map((hours) => dayLabel(ago(hours), now)), [
    "Today", "Yesterday", "Last seven days", "Last seven days",
  ]);
  assert.match(dayLabel(ago(24 * 40), now), /2026/);
});
