// Puts and gets against IndexedDB, both in the same page, both in groups.

const GROUP = 1000;

const keyOf = (i) => `key ${String((i * 7919) % 1000003).padStart(7, "0")}`;
const valueOf = (i) => `value ${i} ${"x".repeat(80)}`;

const finished = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function inGroups(count, work) {
  const start = performance.now();
  for (let first = 0; first < count; first += GROUP) await work(first, Math.min(count, first + GROUP));
  return Math.round((count / (performance.now() - start)) * 1000);
}

async function ofEsker(esker, count) {
  await esker.destroy({ name: "speed" });
  const store = await esker.open({ name: "speed" });
  const puts = await inGroups(count, (first, end) => {
    const group = [];
    for (let i = first; i < end; i++) group.push(store.put(keyOf(i), valueOf(i)));
    return Promise.all(group);
  });
  const gets = await inGroups(count, async (first, end) => {
    const group = [];
    for (let i = first; i < end; i++) group.push(store.get(keyOf(i)));
    const found = await Promise.all(group);
    if (found[0] !== valueOf(first)) throw new Error(`wrong value: ${found[0]}`);
  });
  await store.close();
  await esker.destroy({ name: "speed" });
  return { puts, gets };
}

async function ofIndexedDb(count) {
  await finished(indexedDB.deleteDatabase("speed"));
  const request = indexedDB.open("speed", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("s");
  const db = await finished(request);
  const puts = await inGroups(count, (first, end) => {
    const transaction = db.transaction("s", "readwrite", { durability: "relaxed" });
    const store = transaction.objectStore("s");
    for (let i = first; i < end; i++) store.put(valueOf(i), keyOf(i));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
  });
  const gets = await inGroups(count, async (first, end) => {
    const store = db.transaction("s").objectStore("s");
    const group = [];
    for (let i = first; i < end; i++) group.push(finished(store.get(keyOf(i))));
    const found = await Promise.all(group);
    if (found[0] !== valueOf(first)) throw new Error(`wrong value: ${found[0]}`);
  });
  db.close();
  await finished(indexedDB.deleteDatabase("speed"));
  return { puts, gets };
}

/** Puts and gets a second, of esker and of IndexedDB. */
export async function compare(esker, count, countOfIndexedDb) {
  const ours = await ofEsker(esker, count);
  const theirs = await ofIndexedDb(countOfIndexedDb);
  return { ours, theirs };
}
