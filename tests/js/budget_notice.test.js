import assert from "node:assert/strict";
import { after, test } from "node:test";

import { BudgetNotice } from "chat/budget_notice.js";

const [fetchBefore, documentBefore] = [globalThis.fetch, globalThis.document];
after(() => Object.assign(globalThis, { fetch: fetchBefore, document: documentBefore }));

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("what the server tells is said in the sentences of a page, once each", async () => {
  const answers = [["80 %"], ["80 %"], ["90 %", "Everybody: 85 %"]];
  const asked = [];
  globalThis.fetch = async (address, { headers }) => {
    asked.push([address, headers.Accept]);
    if (answers.length === 0) throw new Error("away");
    return { ok: true, json: async () => ({ short: answers.shift() }) };
  };
  globalThis.document = { createElement: (tag) => ({ tag, append(...parts) { this.parts = parts; } }) };
  const shown = [];
  const place = {
    dataset: { address: "/usage/", words: "Your usage" },
    textContent: "",
    replaceChildren: (...lines) => shown.push(lines.map(({ parts }) => parts[0].trim())),
  };
  let tell;
  new BudgetNotice({ on: (type, action) => type === "budget.short" && (tell = action) }, place);
  for (let turn = 0; turn < 4; turn += 1) {
    tell({ percent: 80 });
    await settled();
  }
  assert.deepEqual(shown, [["80 %"], ["90 %", "Everybody: 85 %"]]);
  assert.deepEqual(asked[0], ["/usage/", "application/json"]);
  assert.equal(asked.length, 4);
});
