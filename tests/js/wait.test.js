import assert from "node:assert/strict";
import { test } from "node:test";

import { ModelPicker } from "chat/model_picker.js";
import { WaitCountdown } from "chat/wait_countdown.js";
import { WaitMemory } from "chat/wait_memory.js";
import {
  duration, modelWait, refusalSentence, rounded, spokenDuration, spokenWait, timeWords, waitLine, waitReason,
} from "chat/wait_words.js";
import { errorWords, said } from "chat/words.js";

import { MemoryStorage, plain } from "./fakes.js";

const told = (more = {}) => ({ ahead: 2, p50S: 40, p90S: 70, why: "open", resumeS: null, message: "", ...more });
const wait = (more = {}) => ({ ahead: 2, leftS: 40, underS: 70, why: "open", resumeS: null, message: "", ...more });

test("seconds are rounded as people say them", () => {
  const cases = [[5, 5], [7.4, 5], [7.6, 10], [42, 40], [58, 60], [67, 60], [68, 75], [290, 285], [301, 300], [700, 720]];
  for (const [seconds, expected] of cases) assert.equal(rounded(seconds), expected, `${seconds}`);
  assert.equal(rounded(61, Math.ceil), 75);
  assert.equal(rounded(0), 5);
});

test("a number that falls never climbs by being rounded", () => {
  for (const round of [Math.round, Math.ceil]) {
    let last = Infinity;
    for (let seconds = 1000; seconds > 0; seconds -= 0.1) {
      const now = rounded(seconds, round);
      assert.ok(now <= last, `${seconds}`);
      last = now;
    }
  }
});

test("durations are written short and spoken in full", () => {
  assert.deepEqual([40, 60, 75, 120, 720, 3900, 7200].map((seconds) => plain(duration(seconds))), [
    "40 s", "1 min", "1 min 15", "2 min", "12 min", "1 h 5 min", "2 h",
  ]);
  assert.equal(spokenDuration(75), "1 minute 15 seconds");
  assert.equal(spokenDuration(3600), "1 hour");
});

test("what is said of the time", () => {
  assert.equal(plain(timeWords({ leftS: 40, underS: 70 })), "about 40 s, usually under 1 min 15");
  assert.equal(plain(timeWords({ leftS: 40, underS: 40 })), "about 40 s");
  assert.equal(plain(timeWords({ leftS: 4.9, underS: 30 })), "starting");
  assert.equal(plain(timeWords({ leftS: 0, underS: 20 })), "any moment");
  assert.equal(plain(timeWords({ leftS: null, underS: null })), "");
});

test("what is said of the place", () => {
  assert.equal(plain(waitLine(wait(), true)), "2 ahead of you · about 40 s, usually under 1 min 15");
  assert.equal(plain(waitLine(wait(), false)), "2 ahead · about 40 s, usually under 1 min 15");
  assert.equal(plain(waitLine(wait({ ahead: 0, leftS: 3 }), true)), "You are next · starting");
  assert.equal(plain(waitLine(wait({ ahead: 0, leftS: 3 }), false)), "Next in line · starting");
  assert.equal(plain(waitLine(wait({ ahead: 1234, leftS: null }), true)), "About 1,234 ahead of you");
  assert.equal(plain(waitLine(wait({ why: "own", ahead: 0, leftS: 9 }), true)), "Waits for another answer of yours to end · about 10 s, usually under 1 min 15");
  assert.equal(plain(waitLine(wait({ why: "blocked", message: "The account is out of credit." }), true)), "The account is out of credit.");
});

test("each reason is a sentence", () => {
  assert.equal(plain(waitReason(wait())), "");
  assert.equal(plain(waitReason(wait({ why: "paused", resumeS: 18 }))), "The provider asked us to wait 20 s");
  assert.equal(plain(waitReason(wait({ why: "paused" }))), "The provider asked us to wait");
  assert.equal(plain(waitReason(wait({ why: "overtaken" }))), "Others who have used less go first");
  assert.equal(plain(waitReason(wait({ why: "slower" }))), "It takes longer than foreseen");
  assert.match(waitReason(wait({ why: "overloaded", resumeS: 30 })), /overloaded.*30\ss/);
  assert.match(waitReason(wait({ why: "blocked" })), /keeps its place/);
  assert.match(waitReason(wait({ why: "probing" })), /overloaded/);
  assert.equal(
    spokenWait(wait({ why: "slower" }), true),
    "2 ahead of you, about 40 seconds, usually under 1 minute 15 seconds. It takes longer than foreseen.",
  );
});

const left = (countdown, now) => countdown.at(now).leftS;

test("it counts down to zero and stays there", () => {
  const countdown = new WaitCountdown();
  countdown.told(told(), 1000);
  assert.deepEqual([1000, 11000, 41000, 99000].map((now) => left(countdown, now)), [40, 30, 0, 0]);
  assert.equal(countdown.at(61000).underS, 10);
});

test("a shorter wait is believed at once", () => {
  const countdown = new WaitCountdown();
  countdown.told(told(), 0);
  countdown.told(told({ p50S: 10, p90S: 20, ahead: 1 }), 5000);
  assert.deepEqual([left(countdown, 5000), countdown.at(5000).underS, countdown.at(5000).ahead], [10, 20, 1]);
});

test("a slightly longer one without a reason changes the place and not the number", () => {
  const countdown = new WaitCountdown();
  countdown.told(told(), 0);
  countdown.told(told({ p50S: 34, p90S: 80, ahead: 1 }), 10000);
  assert.deepEqual([left(countdown, 10000), countdown.at(10000).underS, countdown.at(10000).ahead], [30, 60, 1]);
  assert.equal(countdown.at(10000).why, "open");
});

test("a much longer one without a reason is called what it is", () => {
  const countdown = new WaitCountdown();
  countdown.told(told(), 0);
  countdown.told(told({ p50S: 90, p90S: 120 }), 10000);
  assert.deepEqual([left(countdown, 10000), countdown.at(10000).why], [90, "slower"]);
});

test("a longer one with its reason is shown with it, as long as somebody needs to read it", () => {
  const countdown = new WaitCountdown();
  countdown.told(told(), 0);
  countdown.told(told({ p50S: 60, p90S: 90, ahead: 4, why: "overtaken" }), 10000);
  countdown.told(told({ p50S: 57, p90S: 87, ahead: 3 }), 13000);
  assert.deepEqual([left(countdown, 13000), countdown.at(13000).why], [57, "overtaken"]);
  assert.equal(countdown.at(26000).why, "open");
});

test("a pause is said as long as the server says it", () => {
  const countdown = new WaitCountdown();
  countdown.told(told({ why: "paused", resumeS: 20, p50S: 60 }), 0);
  assert.deepEqual([countdown.at(5000).why, countdown.at(5000).resumeS], ["paused", 15]);
  assert.deepEqual([countdown.at(30000).why, countdown.at(30000).resumeS], ["paused", null]);
  countdown.told(told({ p50S: 10 }), 31000);
  assert.deepEqual([left(countdown, 31000), countdown.at(31000).why], [10, "open"]);
});

test("when nobody can tell any more there is no number, and it may come back", () => {
  const countdown = new WaitCountdown();
  countdown.told(told(), 0);
  countdown.told(told({ p50S: null, p90S: null }), 5000);
  assert.equal(left(countdown, 5000), null);
  countdown.told(told({ p50S: 80 }), 20000);
  assert.deepEqual([left(countdown, 20000), countdown.at(20000).why], [80, "open"]);
});

test("a server that knows only that it waits changes nothing", () => {
  const unknown = told({ ahead: null, p50S: null, p90S: null });
  const countdown = new WaitCountdown();
  countdown.told(unknown, 0);
  assert.equal(waitLine(countdown.at(0), true), "Waiting for its turn");
  countdown.told(told(), 1000);
  countdown.told(unknown, 2000);
  assert.deepEqual([left(countdown, 2000), countdown.at(2000).ahead], [39, 2]);
});

test("a countdown goes on from what a storage has kept of it", () => {
  const countdown = new WaitCountdown();
  countdown.told(told(), 1000);
  const again = new WaitCountdown(JSON.parse(JSON.stringify(countdown.state)));
  assert.deepEqual(again.at(21000), countdown.at(21000));
});

test("waits are kept per generation and forgotten in time", () => {
  let now = 1000;
  const storage = new MemoryStorage();
  const memory = new WaitMemory(storage, () => now);
  memory.keep("a", { saidAt: now });
  now += 15 * 60 * 1000;
  memory.keep("b", { saidAt: now });
  assert.deepEqual(memory.recall("a"), { saidAt: 1000 });
  now += 6 * 60 * 1000;
  assert.equal(memory.recall("a"), null);
  memory.forget("b");
  assert.equal(memory.recall("b"), null);
  assert.equal(storage.items.size, 0);
});

test("without a storage, or with somebody else's content in it, nothing is remembered and nothing breaks", () => {
  const refuse = () => {
    throw new Error("denied");
  };
  const memory = new WaitMemory({ getItem: refuse, setItem: refuse, removeItem: refuse }, () => 0);
  memory.keep("a", { saidAt: 0 });
  memory.forget("a");
  assert.equal(memory.recall("a"), null);
  const odd = new MemoryStorage();
  for (const content of ["{not json", "[1]", "7", "null"]) {
    odd.setItem("chat.waits", content);
    assert.equal(new WaitMemory(odd, () => 0).recall("a"), null);
  }
});

class Option {
  constructor(value, textContent, disabled = false) {
    Object.assign(this, { value, textContent, disabled });
  }
}

/** A picker over these options; `choose` is what a person does. */
function picking(options, storage = new MemoryStorage(), own = new MemoryStorage()) {
  const select = { options, value: "a", addEventListener: (_, action) => (select.changed = action) };
  const note = { textContent: "", toggleAttribute: (name, isOn) => (note[name] = isOn) };
  const picker = new ModelPicker(select, note, storage, { storage: own, key: "chat.model.1.c" });
  const choose = (value) => {
    select.value = value;
    select.changed();
  };
  return { picker, select, note, choose, labels: () => options.map(({ textContent }) => plain(textContent)) };
}

test("the picker says each model's wait, that of the chosen one beside it", () => {
  const options = [new Option("a", "Alpha"), new Option("b", "Beta"), new Option("c", "Gamma · no key", true)];
  const { picker, note, choose, labels } = picking(options);
  const open = { why: "open", message: "" };
  picker.show({ a: { p50_s: 0, ...open }, b: { p50_s: 41, ...open }, c: { p50_s: 90, ...open } });
  assert.deepEqual([labels(), note.textContent], [["Alpha", "Beta · about 40 s", "Gamma · no key"], ""]);
  choose("b");
  assert.deepEqual([labels(), plain(note.textContent)], [["Alpha", "Beta", "Gamma · no key"], "about 40 s"]);
  picker.show({});
  assert.deepEqual([labels(), note.textContent], [["Alpha", "Beta", "Gamma · no key"], ""]);
});

test("a closed model's whole sentence gets the room that it needs", () => {
  const { picker, note } = picking([new Option("a", "Alpha")]);
  const states = [{ why: "held", message: "Paused." }, { why: "paused", message: "" }, { why: "blocked", message: "" }];
  const isWhole = states.map((state) => {
    picker.show({ a: { p50_s: null, ...state } });
    return note["data-sentence"];
  });
  assert.deepEqual(isWhole, [true, false, false]);
});

test("a conversation keeps its model, and a new one begins with the last that was chosen", () => {
  const options = () => [new Option("a", "Alpha"), new Option("b", "Beta"), new Option("c", "Gamma", true)];
  const [all, first, second] = [new MemoryStorage(), new MemoryStorage(), new MemoryStorage()];
  picking(options(), all, first).choose("b");
  const other = picking(options(), all, second);
  assert.equal(other.select.value, "b");
  other.choose("a");
  assert.equal(picking(options(), all, first).select.value, "b");
  first.setItem("chat.model.1.c", "c");
  assert.equal(picking(options(), all, first).select.value, "a", "what cannot be chosen any more is not");
});

test("a model that is closed says why", () => {
  assert.equal(plain(modelWait({ p50_s: 22, why: "paused", message: "" })), "its provider asks to wait, about 20 s");
  assert.equal(plain(modelWait({ p50_s: null, why: "overloaded", message: "" })), "overloaded");
  assert.equal(plain(modelWait({ p50_s: null, why: "blocked", message: "No credit left." })), "No credit left.");
  assert.equal(plain(modelWait({ p50_s: null, why: "blocked", message: "" })), "not available now");
});

test("the model chosen last comes first, if it can still be had", () => {
  const storage = new MemoryStorage();
  const options = () => [new Option("a", "A"), new Option("b", "B")];
  picking(options(), storage).choose("b");
  assert.equal(picking(options(), storage).select.value, "b");
  storage.setItem("chat.model", "gone");
  assert.equal(picking(options(), storage).select.value, "a");
});

test("a question that the line refuses says when to try again", () => {
  const refused = { code: "wait_too_long", message: "Too many wait.", retryAfterS: 41 };
  assert.equal(plain(refusalSentence(refused)), "Too many wait. Try again in about 45 s.");
  assert.equal(plain(refusalSentence({ ...refused, retryAfterS: null })), "Too many wait.");
  assert.equal(plain(refusalSentence({ ...refused, code: "not_found" })), "Too many wait.");
});

test("a refusal that says values is said in the reader's language", () => {
  const refused = {
    code: "lane_full",
    message: "Too many questions wait for Demo. 1,200 are ahead.",
    retryAfterS: 41,
    sentences: [
      { text: "Too many questions wait for %(model)s.", values: { model: "Demo" } },
      { text: "%(count)s are ahead.", values: { count: 1200 } },
    ],
  };
  assert.equal(plain(refusalSentence(refused)), `${refused.message} Try again in about 45 s.`);
  globalThis.django = { gettext: (text) => ({ "%(count)s are ahead.": "Vorher: %(count)s." })[text] ?? text };
  try {
    assert.equal(errorWords(refused), "Too many questions wait for Demo. Vorher: 1,200.");
  } finally {
    delete globalThis.django;
  }
});

test("what a row says with values is found again and said in the reader's language", () => {
  const german = {
    "This question may use up to %(asked)s.": "Bis zu %(asked)s.",
    "This question may use up to %(asked)s, but your whole budget for today is %(whole)s.": "%(asked)s von %(whole)s.",
    "Ask something shorter or another model.": "Frage kürzer.",
    "%(count)s message": ["eins", "viele"],
  };
  const end = "This question may use up to 1,001, but your whole budget for today is $1.50. Ask something shorter or another model.";
  assert.equal(said(end), end, "in English it stays as it is");
  globalThis.django = { catalog: german, gettext: (text) => german[text] ?? text };
  try {
    assert.equal(said(end), "1,001 von $1.50. Frage kürzer.");
    assert.equal(said("This question may use up to 20. Ask something shorter or another model."), "Bis zu 20. Frage kürzer.");
    assert.equal(said("Ask something shorter or another model."), "Frage kürzer.");
    for (const other of ["", "Our own words.", "Our own words. Ask something shorter or another model."]) {
      assert.equal(said(other), other);
    }
  } finally {
    delete globalThis.django;
  }
});
