// Puts and gets against IndexedDB, both in the same page, both driven in the way that suits them best.
//
// The same keys and values, in groups of 1000 that are asked for at once; the next group when all of
// this one is there. Each group's keys and values are made before its clock runs, and every value that
// comes back is compared while it runs.
// - esker: `put` or `get` for each, and `Promise.all`.
// - IndexedDB: one transaction a group, for puts with relaxed durability, with all its requests in
//   flight; one listener a request and no promises, which would slow it down.
// Then single gets, each awaited before the next.

const GROUP = 1000;
const SINGLE = 2000;

const keyOf = (i) => `key ${String((i * 7919) % 1000003).padStart(7, "0")}`;
const valueOf = (i) => `value ${i} ${"x".repeat(80)}`;

const finished = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const completed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });

function check(found, values) {
  const at = values.findIndex((value, i) => found[i] !== value);
  if (at >= 0) throw new Error(`wrong value: ${found[at]} for ${values[at]}`);
}

/** Does `work` with the keys and values of each group; gives how many a second. */
async function inGroups(count, size, work) {
  let time = 0;
  for (let first = 0; first < count; first += size) {
    const numbers = Array.from({ length: Math.min(count - first, size) }, (_, i) => first + i);
    const [keys, values] = [numbers.map(keyOf), numbers.map(valueOf)];
    const start = performance.now();
    await work(keys, values);
    time += performance.now() - start;
  }
  return Math.round((count / time) * 1000);
}

async function ofEsker(esker, count) {
  await esker.destroy({ name: "speed" });
  const store = await esker.open({ name: "speed" });
  const puts = await inGroups(count, GROUP, (keys, values) =>
    Promise.all(keys.map((key, i) => store.put(key, values[i]))));
  const get = async (keys, values) => check(await Promise.all(keys.map((key) => store.get(key))), values);
  const gets = await inGroups(count, GROUP, get);
  const single = await inGroups(Math.min(count, SINGLE), 1, get);
  await store.close();
  await esker.destroy({ name: "speed" });
  return { puts, gets, single };
}

async function ofIndexedDb(count) {
  await finished(indexedDB.deleteDatabase("speed"));
  const request = indexedDB.open("speed", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("s");
  const db = await finished(request);
  const puts = await inGroups(count, GROUP, (keys, values) => {
    const transaction = db.transaction("s", "readwrite", { durability: "relaxed" });
    const store = transaction.objectStore("s");
    keys.forEach((key, i) => store.put(values[i], key));
    return completed(transaction);
  });
  const get = async (keys, values) => {
    const transaction = db.transaction("s");
    const store = transaction.objectStore("s");
    const found = [];
    await new Promise((resolve, reject) => {
      transaction.onabort = () => reject(transaction.error);
      const take = ({ target }) => { if (found.push(target.result) === keys.length) resolve(); };
      for (const key of keys) store.get(key).onsuccess = take;
    });
    check(found, values);
  };
  const gets = await inGroups(count, GROUP, get);
  const single = await inGroups(Math.min(count, SINGLE), 1, get);
  db.close();
  await finished(indexedDB.deleteDatabase("speed"));
  return { puts, gets, single };
}

/** Puts, gets and single gets a second, of esker and of IndexedDB. */
export async function compare(esker, count, countOfIndexedDb) {
  const ours = await ofEsker(esker, count);
  const theirs = await ofIndexedDb(countOfIndexedDb);
  return { ours, theirs };
}
