// Uses the package as its types say; the compiler is the test. Nothing here runs.

import {
  type Database, type MemoryStore, type Segment, type Store, type Table, EskerError, destroy,
  isDatabaseFile, open, openDatabase, openInMemory, openTable,
} from "../package/esker.js";

export async function persistent(): Promise<void> {
  const store: Store = await open({ name: "types", memtableBytes: 1 << 20, compression: false });
  await store.put("a", new Uint8Array(1));
  await store.write([["a", "1"], ["b", null], { key: "c", value: "2" }, { type: "delete", key: "d" }], { durable: true });
  const text: string | undefined = await store.get("a");
  const raw: Uint8Array | undefined = await store.get("a", { as: "bytes" });
  for await (const [key, value] of store.prefix("a", { reverse: true, limit: 5 })) key.concat(value, text ?? "");
  const snapshot = await store.snapshot();
  const has: boolean = await snapshot.has("a");
  const segments: readonly Segment[] = await store.segments;
  const [memtable, layout, stats, files] = [await store.memtable, await store.layout, await store.stats, await store.files];
  const numbers: number[] = [memtable.size, layout.length, stats.flushes, files.length, segments.length, store.recoveredWrites];
  const steps = (await store.explain("a")).map(({ verdict, isLast, parts }) => [verdict, isLast, parts.length]);
  await Promise.all([store.flush(), store.compact(), store.sync(), store.delete("a"), snapshot.close(), store.close()]);
  await destroy({ name: "types" });
  console.log(raw, has, numbers, steps, store.name);
  // @ts-expect-error a name is needed
  await open({});
  // @ts-expect-error a number is no key
  await store.put(1, "x");
  // @ts-expect-error text, not bytes, comes out
  (await store.get("a"))?.byteLength;
}

export function memory(): void {
  const store: MemoryStore = openInMemory();
  const bytes: MemoryStore<Uint8Array> = openInMemory({ encoding: "bytes" });
  store.write([["a", "1"]]);
  const found: [string, string][] = [...store.range({ gte: "a", lt: "b" }), ...store];
  const raw: Uint8Array | undefined = bytes.get("a");
  const entries: readonly (readonly [string, string | null])[] = store.segments[0]!.entries;
  console.log(found, raw, entries, store.readFile(store.files[0]!.name).length, store.stats.sequence);
  // @ts-expect-error segments are frozen
  store.segments[0].entries[0][1] = "new";
  // @ts-expect-error nothing is awaited
  store.put("a", "1").then();
}

export function outside(bytes: Uint8Array): void {
  const table: Table = openTable(bytes, "000005.ldb");
  const text: Table<string> = openTable(bytes, "000005.ldb", { encoding: "text" });
  const database: Database = openDatabase(new Map([["CURRENT", bytes]]), "db", { comparator: "raw" });
  const key: Uint8Array | undefined = database.tables[0]?.smallest;
  const values: (string | null)[] = text.entries(10).map(([, value]) => value);
  console.log(table.engine, key, values, database.notices.join(), database.get("a"), isDatabaseFile("CURRENT"));
  for (const [found] of database.range({ gte: "a" })) console.log(found.byteLength);
  // @ts-expect-error no such order
  openDatabase([], "db", { comparator: "upwards" });
  // @ts-expect-error nothing is written to it
  database.put("a", "1");
}

export function error(): EskerError {
  const made = new EskerError("Io", "words");
  const kind: "Io" | "Locked" | "Poisoned" | "Corruption" | "InvalidInput" | "Unsupported" = made.kind;
  console.log(kind, made.message, made instanceof Error);
  // @ts-expect-error no such kind
  return new EskerError("Odd", "words");
}
