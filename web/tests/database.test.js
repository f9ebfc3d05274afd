// Databases of other engines, read from the files of their directories.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { isDatabaseFile, openDatabase } from "../package/esker.js";
import { SHIPPED, filesIn, fixtures } from "./fixtures.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const families = await filesIn(join(SHIPPED, "rocksdb-families"));

/** Orders that the manifest names and nobody knows. */
const ORDERS = { "ldb-plyvel-reverse-comparator": "reverse", "chromium-indexeddb": "raw" };

test("every fixture directory lists what its engine lists", async (t) => {
  const folder = fixtures();
  if (folder === null) return t.skip("no fixtures");
  let read = 0;
  for (const name of await readdir(folder)) {
    // The oracle's directories are made by cutting files; zstd is not in this build.
    if (/oracle|zstd|\./.test(name) || name === "SHA256SUMS") continue;
    const expected = JSON.parse(await readFile(join(folder, name, "expected.json"), "utf8"));
    const files = (await filesIn(join(folder, name, "db"))).filter(([file]) => isDatabaseFile(file));
    const database = openDatabase(files, name, { comparator: ORDERS[name] });
    const lines = Array.from(database.range(), ([key, value]) => `${hex(key)} ${hex(value)}\n`);
    assert.equal(lines.length, expected.count, name);
    assert.equal(createHash("sha256").update(lines.join("")).digest("hex"), expected.sha256, name);
    assert.equal(database.engine, name.startsWith("rocksdb") ? "RocksDB" : "LevelDB", name);
    const backwards = [...database.range({ reverse: true })].map(([key]) => hex(key));
    assert.deepEqual(backwards, lines.map((line) => line.split(" ")[0]).reverse(), name);
    database.close();
    read += 1;
  }
  assert.ok(read > 12, `${read} directories`);
});

test("column families, look-ups and what is said about them", () => {
  const database = openDatabase(families, "families", { encoding: "text" });
  assert.equal(database.engine, "RocksDB");
  assert.ok(database.columnFamilies.length > 1, database.columnFamilies.join());
  const [key, value] = database.range().next().value;
  assert.equal(database.get(key), value);
  assert.equal(database.has(key), true);
  assert.equal(database.has("no such key"), false);
  assert.equal(database.get("no such key"), undefined);
  assert.deepEqual([...database.prefix(key, { limit: 1 })], [[key, value]]);
  assert.ok(database.explain(key).length > 0);
  assert.ok(database.entries(1000).length >= [...database.range()].length);
  const other = database.columnFamilies.find((name) => name !== database.columnFamily);
  const family = openDatabase(families, "families", { columnFamily: other });
  assert.equal(family.columnFamily, other);
  database.close();
  assert.throws(() => database.get(key), /closed/);
});

test("what is no database is said to be none, and why", async () => {
  assert.throws(() => openDatabase([], "empty"), /empty.*no CURRENT/);
  assert.throws(() => openDatabase(families, "x", { columnFamily: "none" }), /"none" is none of/);
  assert.throws(() => openDatabase(families, "x", { comparator: "upwards" }), /upwards/);
  assert.throws(() => openDatabase(families, "x", { comparator: 5 }), /a string is needed/);
  assert.throws(() => openDatabase([["a/b", new Uint8Array()]], "x"), /names no file/);
  assert.throws(() => openDatabase([["CURRENT", 5]], "x"), /CURRENT: a string or a Uint8Array/);
  const without = families.filter(([name]) => !name.startsWith("MANIFEST"));
  assert.throws(() => openDatabase(without, "cut"), /MANIFEST/);
  const current = [["CURRENT", new TextEncoder().encode("elsewhere\n")]];
  assert.throws(() => openDatabase(current, "odd"), /MANIFEST- with digits/);
});

test("flipped bytes are found or harmless", () => {
  const whole = [...openDatabase(families, "f").range()].map(([key, value]) => `${hex(key)}${hex(value)}`);
  let found = 0;
  for (const [i, [name, bytes]] of families.entries()) {
    for (let at = 3; at < bytes.length; at += 211) {
      const flipped = bytes.slice();
      flipped[at] ^= 0x10;
      const files = families.with(i, [name, flipped]);
      try {
        const database = openDatabase(files, "f");
        const entries = [...database.range()].map(([key, value]) => `${hex(key)}${hex(value)}`);
        if (database.notices.length === 0) assert.deepEqual(entries, whole, `${name} at ${at}`);
        else found += 1;
      } catch (error) {
        assert.equal(error.name, "EskerError", `${name} at ${at}: ${error.stack}`);
        assert.notEqual(error.kind, "Poisoned", `${name} at ${at}: ${error.message}`);
        found += 1;
      }
    }
  }
  assert.ok(found > 5, `${found} found`);
});
