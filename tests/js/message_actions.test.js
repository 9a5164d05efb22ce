import assert from "node:assert/strict";
import { test } from "node:test";

import { MessageActions } from "chat/message_actions.js";
import { Ratings } from "chat/ratings.js";

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
    showRating: (rating) => touched.push(`rated ${id}: ${rating}`),
  });
  const list = { view: (id) => views.get(id) ?? views.set(id, viewOf(id)).get(id) };
  const costs = new Map();
  const known = { of: (id) => costs.get(id) ?? null };
  const ratings = new Ratings({ 2: "good" }, () => Promise.resolve());
  const parts = { list, costs: known, ratings, menu: null, composer: null, editing: null };
  const actions = new MessageActions({ addEventListener: () => {} }, parts, { user: 1, role: "member" });
  const show = (messages, ends = new Map()) => {
    touched.length = 0;
    actions.show(messages, ends);
    return touched.filter((what) => typeof what === "number");
  };
  return { show, touched, costs, views, ratings };
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

test("a rating shows at once, is taken back by pressing it again, and goes back if it is refused", async () => {
  const sent = [];
  let refusal = null;
  const ratings = new Ratings({ 2: "good" }, async (id, rating) => {
    sent.push([id, rating]);
    if (refusal) throw refusal;
  });
  assert.deepEqual([ratings.of(1), ratings.of(2)], ["", "good"]);
  assert.equal(await ratings.press(2, "bad"), "Thank you for the rating");
  assert.equal(await ratings.press(2, "bad"), "Rating taken back");
  refusal = new Error("No.");
  const seen = [];
  ratings.onNews = () => seen.push(ratings.of(1));
  await assert.rejects(ratings.press(1, "good"), refusal);
  assert.deepEqual(seen, ["good", ""]);
  assert.deepEqual(sent, [[2, "bad"], [2, ""], [1, "good"]]);
});

test("only written answers are rated, by readers too", async () => {
  const { show, touched, ratings } = scene();
  const messages = [1, 2].map((id) => ({ ...ROW, id, generation: { ...ENDED, id: `g${id}` } }));
  show(messages);
  assert.ok(touched.includes("rated 1: ") && touched.includes("rated 2: good"));
  await ratings.press(1, "bad");
  assert.deepEqual(show(messages), [1]);
  assert.ok(touched.includes("rated 1: bad"));
});
