// The whole of the store in memory, for node and for browsers.

import { equal, failure } from "./equal.js";

const bytes = (...values) => Uint8Array.from(values);

/** Compares a store with a model under a row of writes that a seed gives. */
function follow(store, seed, steps) {
  const model = new Map();
  let state = seed;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let step = 0; step < steps; step++) {
    const key = `key ${random(60)}`;
    const action = random(20);
    if (action < 10) {
      store.put(key, `value ${step}`);
      model.set(key, `value ${step}`);
    } else if (action < 14) {
      store.delete(key);
      model.delete(key);
    } else if (action < 17) {
      equal(store.get(key), model.get(key), key);
    } else if (action === 17) {
      store.flush();
    } else if (action === 18 && random(4) === 0) {
      store.compact();
    } else {
      const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
      equal([...store.range()], expected);
      equal([...store.range({ reverse: true })], expected.reverse());
    }
  }
}

export const memory = [
  ["text and bytes go in and out", ({ openInMemory }) => {
    const text = openInMemory();
    text.put("ключ", "värde");
    text.put(bytes(0, 255), bytes(1, 2, 255));
    equal(text.get("ключ"), "värde");
    equal(text.get(new TextEncoder().encode("ключ")), "värde");
    equal(text.get(bytes(0, 255), { as: "bytes" }), bytes(1, 2, 255));
    text.put("empty", "");
    equal([text.get("empty"), text.has("empty"), text.get("none")], ["", true, undefined]);
    text.put("", "the empty key");
    equal(text.get(""), "the empty key");
    const raw = openInMemory({ encoding: "bytes" });
    raw.put("a", "b");
    equal(raw.get("a"), bytes(98));
    equal([...raw.range()], [[bytes(97), bytes(98)]]);
  }],
  ["bad input is refused with a message, and changes nothing", async ({ openInMemory, EskerError }) => {
    const store = openInMemory();
    const refused = async (work, words) => {
      const error = await failure(work);
      equal(error instanceof EskerError, true, error.message);
      equal(error.kind, "InvalidInput");
      equal(words.test(error.message), true, error.message);
    };
    await refused(() => store.put(5, "x"), /key: a string or a Uint8Array is needed, not number/);
    await refused(() => store.put("x"), /value: .* not undefined/);
    await refused(() => store.put("x".repeat(65537), ""), /65537 bytes, at most 65536/);
    await refused(() => store.put("\ud800", ""), /surrogate/);
    await refused(() => store.write([{ type: "swap", key: "a" }]), /write 0: .*"swap"/);
    await refused(() => store.write([{ key: "a", value: "1" }, { key: null }]), /key/);
    await refused(() => store.get("a", { as: "json" }), /"text" or "bytes"/);
    await refused(() => openInMemory({ encoding: "latin" }), /"text" or "bytes"/);
    await refused(() => openInMemory({ memtableBytes: -1 }), /memtableBytes/);
    await refused(() => openInMemory({ memtableBytes: 5 }), /memtable_size_bytes is 5/);
    store.put("raw", bytes(255));
    await refused(() => store.get("raw"), /not text/);
    equal([...store.range({ as: "bytes" })].length, 1);
  }],
  ["batches are all or nothing", async ({ openInMemory }) => {
    const store = openInMemory();
    store.put("old", "1");
    store.write([["a", "1"], { type: "put", key: "b", value: "2" }, { type: "delete", key: "old" }, ["c", null]]);
    equal([...store.range()], [["a", "1"], ["b", "2"]]);
    await failure(() => store.write([["d", "1"], ["e", 7]]));
    equal(store.has("d"), false);
  }],
  ["ranges, prefixes, limits, both ways", ({ openInMemory }) => {
    const store = openInMemory();
    const keys = Array.from({ length: 3000 }, (_, i) => `k${String(i).padStart(4, "0")}`);
    for (const key of keys) store.put(key, key);
    const found = (options) => [...store.range(options)].map(([key]) => key);
    equal(found(), keys);
    equal(found({ reverse: true }), keys.toReversed());
    equal(found({ gte: "k0010", lt: "k0013" }), ["k0010", "k0011", "k0012"]);
    equal(found({ gt: "k0010", lte: "k0013" }), ["k0011", "k0012", "k0013"]);
    equal(found({ start: "k2998" }), ["k2998", "k2999"]);
    equal(found({ gte: "k1", limit: 2 }), ["k1000", "k1001"]);
    equal(found({ limit: 0 }), []);
    equal([...store.prefix("k000")].length, 10);
    equal([...store.prefix("k000", { reverse: true, limit: 1 })], [["k0009", "k0009"]]);
    for (const [key] of store) {
      equal(key, "k0000");
      break;
    }
  }],
  ["a snapshot stays as it was", async ({ openInMemory }) => {
    const store = openInMemory();
    store.put("a", "1");
    const snapshot = store.snapshot();
    store.put("a", "2");
    store.put("b", "2");
    store.compact();
    equal([snapshot.get("a"), snapshot.has("b"), store.get("a")], ["1", false, "2"]);
    equal([...snapshot.range()], [["a", "1"]]);
    equal([...snapshot.prefix("b")], []);
    equal(store.stats.snapshots, 1);
    snapshot.close();
    equal(store.stats.snapshots, 0);
    await failure(() => snapshot.get("a"));
  }],
  ["numbers, files and the bytes of a table", ({ openInMemory, openTable }) => {
    const store = openInMemory();
    for (let i = 0; i < 500; i++) store.put(`key ${i}`, `value ${i}`);
    store.delete("key 7");
    store.flush();
    const { levels, flushes } = store.stats;
    equal([levels[0].tables, levels[0].entries, levels[0].tombstones, flushes], [1, 500, 1, 1]);
    const [segment] = store.segments;
    equal([segment.level, segment.entries.length], [0, 500]);
    equal(store.files.some(({ name }) => name === segment.file), true);
    const content = store.readFile(segment.file);
    equal(content.length, segment.bytes);
    const table = openTable(content, segment.file, { encoding: "text" });
    equal([table.engine, table.bytes], ["esker", content.length]);
    equal(table.get("key 8"), "value 8");
    equal(table.entries(1000), segment.entries);
    equal(table.blocks.some(({ kind }) => kind === "data"), true);
    equal(table.block(table.blocks[0].offset).length, table.blocks[0].rawBytes);
    table.close();
  }],
  ["what is no table is said to be none", async ({ openTable, EskerError }) => {
    for (const content of [bytes(), bytes(1, 2, 3), new Uint8Array(4096)]) {
      const error = await failure(() => openTable(content, "notes.txt"));
      equal(error instanceof EskerError && error.message.includes("notes.txt"), true, error.message);
    }
  }],
  ["it follows a model through flushes and compactions", ({ openInMemory }) => {
    for (let seed = 1; seed <= 5; seed++) {
      follow(openInMemory({ memtableBytes: 4096, tableBytes: 4096, blockBytes: 256 }), seed, 1500);
    }
  }],
  ["a closed store says so", async ({ openInMemory }) => {
    const store = openInMemory();
    const scan = store.range();
    store.put("a", "1");
    scan.next();
    store.close();
    store.close();
    for (const work of [() => store.get("a"), () => store.put("a", "1"), () => store.segments]) {
      equal((await failure(work)).message, "it is closed");
    }
  }],
];
