// The whole of the persistent store, in a browser. Each test has a fresh name of its own.

import { equal, failure } from "./equal.js";

async function all(iterator) {
  const entries = [];
  for await (const entry of iterator) entries.push(entry);
  return entries;
}

export const persistent = [
  ["puts, gets, batches, deletes", async ({ open }, name) => {
    const store = await open({ name });
    await Promise.all([store.put("a", "1"), store.put("b", "2"), store.put("ключ", Uint8Array.of(255))]);
    await store.write([["c", "3"], ["b", null], { type: "put", key: "d", value: "4" }], { durable: true });
    equal(await Promise.all(["a", "b", "c", "d"].map((key) => store.get(key))), ["1", undefined, "3", "4"]);
    equal([await store.has("a"), await store.has("b")], [true, false]);
    equal(await store.get("ключ", { as: "bytes" }), Uint8Array.of(255));
    await store.delete("a");
    equal(await store.has("a"), false);
    await store.sync();
    await store.close();
  }],
  ["the contract holds through the worker", async ({ open }, name) => {
    const store = await open({ name });
    for (const key of ["c", "a", "b"]) await store.put(key, "1");
    equal((await store.memtable).size, 3);
    await store.flush();
    equal(await store.segments, [{ entries: [["a", "1"], ["b", "1"], ["c", "1"]] }]);
    equal((await store.memtable).size, 0);
    await store.delete("a");
    await store.put("b", "2");
    await store.flush();
    equal((await store.segments).at(-1), { entries: [["a", null], ["b", "2"]] });
    equal([await store.get("a"), await store.get("b"), await store.get("c")], [undefined, "2", "1"]);
    const way = await store.explain("a");
    equal([way.at(-1).isLast, way.at(-1).file], [true, (await store.segments).at(-1).file]);
    await store.compact();
    equal(await store.segments, [{ entries: [["b", "2"], ["c", "1"]] }]);
    equal((await store.stats).compactions, 1);
    await store.close();
  }],
  ["ranges and snapshots", async ({ open }, name) => {
    const store = await open({ name });
    const keys = Array.from({ length: 5000 }, (_, i) => `k${String(i).padStart(4, "0")}`);
    await Promise.all(keys.map((key) => store.put(key, key)));
    const snapshot = await store.snapshot();
    await store.put("k0000", "new");
    await store.flush();
    equal((await all(store.range())).map(([key]) => key), keys);
    equal((await all(store.range({ reverse: true, limit: 2 }))).map(([key]) => key), ["k4999", "k4998"]);
    equal((await all(store.range({ gte: "k0010", lt: "k0012" }))).length, 2);
    equal((await all(store.prefix("k000"))).length, 10);
    equal([await store.get("k0000"), await snapshot.get("k0000")], ["new", "k0000"]);
    equal((await all(snapshot.prefix("k0000")))[0][1], "k0000");
    for await (const [key] of store) {
      equal(key, "k0000");
      break;
    }
    await snapshot.close();
    equal((await store.stats).snapshots, 0);
    await store.close();
  }],
  ["many flushes and compactions, then open again", async ({ open }, name) => {
    const small = { name, memtableBytes: 4096, tableBytes: 4096, blockBytes: 512 };
    let store = await open(small);
    const value = "v".repeat(50);
    for (let round = 0; round < 10; round++) {
      const puts = Array.from({ length: 500 }, (_, i) => store.put(`key ${i}`, `${round} ${value}`));
      await Promise.all(puts);
    }
    const { compactions } = await store.stats;
    equal(compactions > 3, true, `${compactions} compactions`);
    await store.close();
    store = await open(small);
    const entries = await all(store.range());
    equal([entries.length, entries.every(([, found]) => found === `9 ${value}`)], [500, true]);
    await store.close();
  }],
  ["many reads at once, with writes among them, are answered in order", async ({ open }, name) => {
    const store = await open({ name, memtableBytes: 65536 });
    const valueOf = (i) => (i % 50 === 0 ? `${i} ${"long ".repeat(20000)}` : i % 3 === 0 ? `${i} é` : `${i}`);
    const keys = Array.from({ length: 1000 }, (_, i) => (i % 7 === 0 ? `ключ ${i}` : `key ${i}`));
    await Promise.all(keys.map((key, i) => store.put(key, valueOf(i))));
    const found = await Promise.all([...keys, "none"].map((key) => store.get(key)));
    equal(found, [...keys.map((_, i) => valueOf(i)), undefined]);
    const [mixed, expected] = [[], []];
    for (let i = 0, last; i < 1000; i++) {
      mixed.push(store.get("n"), store.has(`key ${i}`));
      expected.push(last, i % 7 !== 0);
      if (i % 300 === 299) store.put("n", (last = `${i}`));
    }
    equal(await Promise.all(mixed), expected);
    await store.close();
  }],
  ["of many reads, only the one that fails fails", async ({ open }, name) => {
    const store = await open({ name });
    await store.put("a", "1");
    await store.put("b", Uint8Array.of(255));
    const snapshot = await store.snapshot();
    await snapshot.close();
    const results = await Promise.allSettled([store.get("a"), store.get("b"), snapshot.get("a"), store.has("a"),
      store.get("\ud800"), store.get("a")]);
    const told = results.map(({ value, reason }) => value ?? reason.message.split(";")[0]);
    equal(told, ["1", "value: not text", "handle: it is closed", true,
      "key or value: half of a surrogate pair is not text", "1"]);
    await store.close();
  }],
  ["an open store is locked, a closed one is not, a destroyed one is empty", async (esker, name) => {
    const store = await esker.open({ name });
    await store.put("a", "1");
    const second = await failure(() => esker.open({ name }));
    equal([second.name, second.kind], ["EskerError", "Locked"]);
    equal(second.message.includes("open in another tab"), true, second.message);
    equal((await failure(() => esker.destroy({ name }))).kind, "Locked");
    equal(await store.get("a"), "1", "the first goes on");
    await store.close();
    equal((await failure(() => store.get("a"))).message, "it is closed");
    const again = await esker.open({ name });
    equal([await again.get("a"), again.recoveredWrites], ["1", 1]);
    await again.close();
    await esker.destroy({ name });
    await esker.destroy({ name });
    const empty = await esker.open({ name });
    equal(await empty.get("a"), undefined);
    await empty.close();
  }],
  ["bad input is refused with a message", async (esker, name) => {
    const store = await esker.open({ name });
    for (const work of [() => store.put(1, "x"), () => store.put("x", {}), () => store.get("\ud800"),
      () => store.write([{ type: "swap", key: "a" }]), () => esker.open({}), () => esker.open({ name: "" }),
      () => esker.open({ name: "x", encoding: "latin" })]) {
      equal((await failure(work)).kind, "InvalidInput");
    }
    equal((await all(store.range())).length, 0);
    await store.close();
  }],
  ["names may be any text", async ({ open, destroy }) => {
    const names = ["a/b", "..", ".", "/", "%2F", "*", "CON", "💾", "é".repeat(80), "a\0b\n", " ", "A", "a"];
    for (const name of names) {
      const store = await open({ name });
      await store.put("name", name);
      await store.close();
    }
    for (const name of names) {
      const store = await open({ name });
      equal(await store.get("name"), name);
      await store.close();
      await destroy({ name });
    }
    for (const name of ["\ud800", "x".repeat(81), 7, undefined]) {
      equal((await failure(() => open({ name }))).kind, "InvalidInput");
    }
  }],
  ["of two that open at once, one does", async ({ open, destroy }, name) => {
    const results = await Promise.allSettled([open({ name }), open({ name })]);
    const [refused] = results.filter(({ status }) => status === "rejected");
    const [{ value: store }] = results.filter(({ status }) => status === "fulfilled");
    equal(refused.reason.kind, "Locked");
    await store.close();
    await destroy({ name });
  }],
  ["what is called before close is done, what is called after it is refused", async ({ open }, name) => {
    const store = await open({ name });
    const snapshot = await store.snapshot();
    const scan = store.range();
    const before = store.put("a", "1");
    const closed = [store.close(), store.close()];
    const after = [() => store.put("b", "2"), () => store.get("a"), () => store.snapshot(), () => store.stats,
      () => snapshot.get("a"), () => scan.next(), () => store.segments];
    for (const work of after) equal((await failure(work)).message, "it is closed");
    await before;
    await Promise.all(closed);
    const again = await open({ name });
    equal([await again.get("a"), await again.get("b")], ["1", undefined]);
    await again.close();
  }],
  ["a worker that breaks is told of, and loses nothing", async ({ open }, name) => {
    const Real = globalThis.Worker;
    let worker;
    globalThis.Worker = class extends Real {
      constructor(...rest) {
        super(...rest);
        worker = this;
      }
    };
    const store = await open({ name });
    globalThis.Worker = Real;
    await store.put("a", "1");
    worker.postMessage({ calls: "nonsense" });
    const error = await failure(async () => {
      for (;;) await store.get("a");
    });
    equal([error.name, error.kind], ["EskerError", "Io"]);
    equal((await failure(() => store.put("b", "2"))).message, error.message);
    await store.close();
    const again = await open({ name });
    equal([await again.get("a"), await again.has("b")], ["1", false]);
    await again.close();
  }],
];
