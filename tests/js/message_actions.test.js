import assert from "node:assert/strict";
import { test } from "node:test";

import { MessageActions } from "chat/message_actions.js";

const ROW = { role: "assistant", author: null, state: "sent", siblings: [], model: "demo", parent: null };
const ENDED = { id: "g", status: "completed", model: "demo" };

function scene() {
  const touched = [];
  const views = new Map();
  const viewOf = (id) => ({
    text: { isEmpty: false },
    offer: () => touched.push(id),
    showVersions: () => {},
    showFacts: (facts) => touched.push(`facts ${id}: ${facts}`),
    showState: () => {},
  });
  const list = { view: (id) => views.get(id) ?? views.set(id, viewOf(id)).get(id) };
  const costs = new Map();
  const known = { of: (id) => costs.get(id) ?? null };
  const parts = { list, costs: known, menu: null, composer: null, editing: null };
  const actions = new MessageActions({ addEventListener: () => {} }, parts, { user: 1, role: "member" });
  const show = (messages, ends = new Map()) => {
    touched.length = 0;
    actions.show(messages, ends);
    return touched.filter((what) => typeof what === "number");
  };
  return { show, touched, costs, views };
}

test("of many messages only those that changed are touched", () => {
  const { show, touched, costs, views } = scene();
  const messages = [1, 2, 3].map((id) => ({ ...ROW, id, generation: { ...ENDED, id: `g${id}` } }));
  assert.deepEqual(show(messages), [1, 2, 3]);
  assert.deepEqual(show(messages), []);
  messages[1] = { ...messages[1], siblings: [2, 9] };
  assert.deepEqual(show(messages), [2]);
  costs.set(3, 1200);
  assert.deepEqual(show(messages), [3]);
  assert.ok(touched.some((what) => String(what).startsWith("facts 3")));
  views.delete(1); // it went and came back as another element
  assert.deepEqual(show(messages), [1]);
});

test("an end that its row does not tell yet is shown", () => {
  const { show } = scene();
  const messages = [{ ...ROW, id: 1, generation: { ...ENDED, status: "running" } }];
  assert.deepEqual(show(messages), [1]);
  const ends = new Map([["g", { status: "completed" }]]);
  assert.deepEqual(show(messages, ends), [1]);
  assert.deepEqual(show(messages, ends), []);
});
