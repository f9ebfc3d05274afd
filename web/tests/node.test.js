// The tests that need no browser, under node.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { gzipSync } from "node:zlib";
import * as esker from "../package/esker.js";
import { contract } from "./contract.js";
import { memory } from "./memory.js";

/** Most bytes of the engine as a browser loads it. */
const GZIP_BYTES_MAX = 400 * 1024;

for (const [name, check] of contract) {
  test(name, () => check(esker.openInMemory, assert.deepStrictEqual));
}

for (const [name, check] of memory) {
  test(name, () => check(esker));
}

test("the engine is small", async () => {
  const bytes = await readFile(new URL("../package/esker.wasm", import.meta.url));
  const size = gzipSync(bytes, { level: 9 }).length;
  console.log(`esker.wasm: ${bytes.length} bytes, ${size} gzipped`);
  assert.ok(size < GZIP_BYTES_MAX, `${size} bytes gzipped`);
});

test("a persistent store says what it needs", async () => {
  await assert.rejects(esker.open({ name: "x" }), /origin-private file system/);
  await assert.rejects(esker.open({}), /name/);
});
