import assert from "node:assert/strict";
import { test } from "node:test";

import { DesktopNotices } from "chat/desktop_notices.js";
import { PageTitle } from "chat/page_title.js";
import { WhileAway } from "chat/while_away.js";

import { FakeClock, MemoryStorage, settled } from "./fakes.js";

const LATER_MS = 5000;
const entry = (conversation, more = {}) => ({ conversation, title: conversation, unread: false, answering: false, ...more });
const answering = (conversation) => entry(conversation, { unread: true, answering: true });
const unread = (conversation) => entry(conversation, { unread: true });

function somebody(visibilityState) {
  const page = { title: "Winter · Chat", visibilityState };
  const clock = new FakeClock();
  const told = [];
  const title = new PageTitle(page);
  const away = new WhileAway(title, ({ conversation }) => told.push(conversation), page, clock);
  return { page, clock, told, title, away };
}

test("the title of a hidden page says that an answer has finished, until somebody looks", () => {
  const { page, clock, told, title, away } = somebody("hidden");
  away.listed([answering("a"), entry("b")], "a");
  assert.equal(page.title, "Winter · Chat");
  away.listed([unread("a"), entry("b")], "a");
  assert.equal(page.title, "(1) Answer finished · Winter · Chat");
  title.rename("Summer · Chat");
  assert.equal(page.title, "(1) Answer finished · Summer · Chat");
  clock.advance(LATER_MS);
  assert.deepEqual(told, ["a"]);
  page.visibilityState = "visible";
  away.listed([unread("a"), entry("b")], "a");
  assert.equal(page.title, "Summer · Chat");
});

test("who looks at the page is told of no answer, and of the others' news by their number alone", () => {
  const { page, clock, told, away } = somebody("visible");
  away.listed([answering("a"), answering("b")], "a");
  away.listed([unread("a"), unread("b")], "a");
  assert.equal(page.title, "(1) Winter · Chat");
  page.visibilityState = "hidden";
  away.listed([entry("a"), unread("b")], "a");
  clock.advance(LATER_MS);
  assert.equal(page.title, "(1) Winter · Chat", "it ended before");
  assert.deepEqual(told, []);
});

test("what is read elsewhere in the meantime is no news", () => {
  const { page, clock, told, away } = somebody("hidden");
  away.listed([answering("a")], "b");
  away.listed([unread("a")], "b");
  away.listed([entry("a")], "b");
  assert.equal(page.title, "Winter · Chat");
  clock.advance(LATER_MS);
  assert.deepEqual(told, []);
});

test("many are many", () => {
  const { page, away } = somebody("hidden");
  away.listed(Array.from({ length: 120 }, (_, number) => unread(`c${number}`)), "");
  assert.equal(page.title, "(99+) Winter · Chat");
});

function notices({ permission = "default", answer = "granted", kept = null, isBroken = false } = {}) {
  class Notice {
    static permission = permission;
    static asked = 0;
    static shown = [];

    static async requestPermission() {
      Notice.asked += 1;
      Notice.permission = answer;
      return answer;
    }

    constructor(title, options) {
      if (isBroken) throw new TypeError("Illegal constructor");
      Notice.shown.push(`${title}: ${options.body}`);
    }
  }
  const parts = { choice: { hidden: true }, box: { checked: false }, refusal: { hidden: true } };
  parts.box.addEventListener = (_, listener) => (parts.box.change = listener);
  const storage = new MemoryStorage();
  if (kept !== null) storage.setItem("chat.notices.7", kept);
  return { Notice, parts, storage, made: new DesktopNotices(parts, 7, storage, Notice) };
}

test("the browser is asked only when somebody ticks the box, and the choice is kept for them", async () => {
  const { Notice, parts, storage, made } = notices();
  made.finished(entry("a"), "/a/");
  assert.deepEqual([Notice.asked, Notice.shown, parts.choice.hidden], [0, [], false]);
  parts.box.checked = true;
  parts.box.change();
  await settled();
  assert.equal(storage.getItem("chat.notices.7"), "on");
  made.finished(entry("a"), "/a/");
  assert.equal(Notice.shown.at(-1), "a: Answer finished");
  parts.box.checked = false;
  parts.box.change();
  made.finished(entry("a"), "/a/");
  assert.deepEqual([Notice.shown.length, storage.getItem("chat.notices.7")], [2, ""]);
});

test("a refusal and a browser that cannot are said, and the box is empty again", async () => {
  for (const browser of [{ answer: "denied" }, { isBroken: true }]) {
    const { parts, storage } = notices(browser);
    parts.box.checked = true;
    parts.box.change();
    await settled();
    assert.deepEqual([parts.box.checked, parts.refusal.hidden], [false, false]);
    assert.equal(storage.getItem("chat.notices.7"), "");
  }
});

test("a choice of before holds while the browser still allows it", () => {
  assert.equal(notices({ kept: "on", permission: "granted" }).parts.box.checked, true);
  assert.equal(notices({ kept: "on", permission: "denied" }).parts.box.checked, false);
  assert.equal(notices({ permission: "granted" }).parts.box.checked, false);
  const none = { choice: { hidden: true } };
  new DesktopNotices(none, 7, new MemoryStorage(), undefined);
  assert.equal(none.choice.hidden, true);
});
