// The teaching contract, in six tests, for node and for browsers.

/** @type {[string, (openInMemory: Function, equal: (found: any, expected: any) => void) => void][]} */
export const contract = [
  ["flush produces a sorted immutable segment", (openInMemory, equal) => {
    const store = openInMemory();
    store.put("c", "3");
    store.put("a", "1");
    store.put("b", "2");
    store.flush();
    equal(store.segments, [{ entries: [["a", "1"], ["b", "2"], ["c", "3"]] }]);
    const [segment] = store.segments;
    for (const part of [store.segments, segment, segment.entries, segment.entries[0]]) {
      equal(Object.isFrozen(part), true);
    }
    store.put("a", "new");
    store.delete("b");
    equal(segment, { entries: [["a", "1"], ["b", "2"], ["c", "3"]] });
    equal(store.segments, [segment]);
  }],
  ["flush clears the memtable", (openInMemory, equal) => {
    const store = openInMemory();
    store.put("a", "1");
    equal(store.memtable, { entries: [["a", "1"]] });
    equal(store.memtable.size, 1);
    store.flush();
    equal(store.memtable, { entries: [] });
    equal(store.memtable.size, 0);
    store.flush();
    equal(store.segments.length, 1);
  }],
  ["reads fall through to segments after flush", (openInMemory, equal) => {
    const store = openInMemory();
    store.put("a", "1");
    store.flush();
    store.put("b", "2");
    store.flush();
    equal(["a", "b", "c"].map((key) => store.get(key)), ["1", "2", undefined]);
    const asked = store.explain("a").map((step) => step.file);
    equal(asked[0], null);
    equal(asked.at(-1), store.segments[0].file);
  }],
  ["the memtable beats older segments", (openInMemory, equal) => {
    const store = openInMemory();
    store.put("a", "old");
    store.flush();
    store.put("a", "new");
    equal(store.get("a"), "new");
    equal(store.explain("a").length, 1);
  }],
  ["newer segments beat older segments", (openInMemory, equal) => {
    const store = openInMemory();
    for (const value of ["1", "2", "3"]) {
      store.put("a", value);
      store.flush();
      equal(store.get("a"), value);
    }
    equal(store.segments, ["1", "2", "3"].map((value) => ({ entries: [["a", value]] })));
  }],
  ["tombstones flush and hide older values", (openInMemory, equal) => {
    const store = openInMemory();
    store.put("a", "1");
    store.put("b", "1");
    store.flush();
    store.delete("a");
    equal(store.get("a"), undefined);
    store.flush();
    equal(store.segments.at(-1), { entries: [["a", null]] });
    equal([store.get("a"), store.has("a"), store.get("b")], [undefined, false, "1"]);
    equal([...store.range()], [["b", "1"]]);
    const way = store.explain("a");
    equal(way.at(-1).isLast, true);
    equal(way.at(-1).file, store.segments.at(-1).file);
  }],
];
