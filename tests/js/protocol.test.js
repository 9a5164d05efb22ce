import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "streaming/backoff.js";
import { matchesChecksum } from "streaming/checksum.js";
import { comparePositions, formatPosition, mayReconnect, parsePosition } from "streaming/protocol.js";

test("a position survives parsing and formatting", () => {
  assert.deepEqual(parsePosition("12-345"), { attempt: 12, seq: 345 });
  assert.equal(formatPosition(parsePosition("12-345")), "12-345");
});

test("what is not a position is refused", () => {
  for (const text of ["", "1", "1-", "-1", "1-2-3", "a-b", "1.5-2", " 1-2", "1-9999999999999999", null, undefined]) {
    assert.throws(() => parsePosition(text), /not a position/);
  }
});

test("positions compare by attempt first, as numbers", () => {
  const order = ["1-2", "1-10", "2-1", "10-1"].map(parsePosition);
  assert.deepEqual([...order].reverse().sort(comparePositions), order);
});

test("only close codes from 4500 to 4999 are final", () => {
  for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 4000, 4008, 4408, 4429, 4499]) assert.ok(mayReconnect(code));
  for (const code of [4500, 4501, 4503, 4504, 4505, 4999]) assert.ok(!mayReconnect(code));
});

test("delays double up to a ceiling and jitter over their whole range", () => {
  const highest = new Backoff({ baseMs: 500, maxMs: 15000, random: () => 1 });
  assert.deepEqual(Array.from({ length: 7 }, () => highest.next()), [500, 1000, 2000, 4000, 8000, 15000, 15000]);
  highest.reset();
  assert.equal(highest.next(2000), 2500);
  assert.equal(new Backoff({ random: () => 0 }).next(), 0);
});

test("a checksum is of the text in UTF-8", async () => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("é漢"));
  const end = { bytes: 5, sha256: Buffer.from(digest).toString("hex") };
  assert.equal(await matchesChecksum("é漢", end), true);
  assert.equal(await matchesChecksum("é汉", end), false);
  assert.equal(await matchesChecksum("é", end), false);
});

test("without a checksum or without the means to make one nothing is said", async () => {
  assert.equal(await matchesChecksum("a", { status: "completed" }), null);
  assert.equal(await matchesChecksum("a", { bytes: 1, sha256: "" }), null);
  assert.equal(await matchesChecksum("a", { bytes: 1, sha256: "00" }, null), null);
});
