// The tests that need no browser, under node.

import assert from "node:assert/strict";
import test from "node:test";
import * as esker from "../package/esker.js";
import { contract } from "./contract.js";
import { memory } from "./memory.js";

for (const [name, check] of contract) {
  test(name, () => check(esker.openInMemory, assert.deepStrictEqual));
}

for (const [name, check] of memory) {
  test(name, () => check(esker));
}

test("a persistent store says what it needs", async () => {
  await assert.rejects(esker.open({ name: "x" }), /origin-private file system/);
  await assert.rejects(esker.open({}), /name/);
});
