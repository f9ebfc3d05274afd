// What a browser can do to a store: give it no more room, take its files away.

import { equal } from "./equal.js";

const QUOTA = 16 << 20;

/** Writes until the quota is used up; what was acknowledged is there, then and later. */
export async function quotaUsedUp(page, session, origin) {
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: QUOTA });
  const { error, acknowledged, missing } = await page.evaluate(async () => {
    const store = await globalThis.esker.open({ name: "quota", memtableBytes: 256 << 10, compression: false });
    globalThis.store = store;
    const value = "v".repeat(10000);
    for (let acknowledged = 0; ; acknowledged++) {
      try {
        await store.put(`key ${acknowledged}`, value);
      } catch ({ kind, message }) {
        let missing = 0;
        for (let i = 0; i < acknowledged; i++) if (!(await store.has(`key ${i}`))) missing += 1;
        return { error: `${kind}: ${message}`, acknowledged, missing };
      }
    }
  });
  equal(/^Io: .*quota is used up/.test(error), true, error);
  equal([missing, acknowledged > 100], [0, true], `${acknowledged} acknowledged`);
  await session.send("Storage.overrideQuotaForOrigin", { origin });
  const found = await page.evaluate(async (acknowledged) => {
    await globalThis.store.close();
    const store = await globalThis.esker.open({ name: "quota" });
    let missing = 0;
    for (let i = 0; i < acknowledged; i++) if (!(await store.has(`key ${i}`))) missing += 1;
    await store.put("more", "1");
    await store.close();
    await globalThis.esker.destroy({ name: "quota" });
    return missing;
  }, acknowledged);
  equal(found, 0);
  return `${acknowledged} writes, then: ${error}`;
}

/**
 * Clears the site's data under an open store: no call hangs, each answer is right or an error of the
 * store, and other stores work. Chromium lets the removed files go only when it ends: until then, the
 * store opens again or is said to be locked.
 */
export async function dataCleared(page, session, origin) {
  await page.evaluate(async () => {
    globalThis.store = await globalThis.esker.open({ name: "cleared", memtableBytes: 65536 });
    for (let i = 0; i < 2000; i++) globalThis.store.put(`key ${i}`, "v".repeat(100));
    await globalThis.store.flush();
  });
  await session.send("Storage.clearDataForOrigin", { origin, storageTypes: "file_systems" });
  const { told, wrong, other } = await page.evaluate(async () => {
    const { store, esker } = globalThis;
    const calls = [];
    for (let i = 0; i < 4000; i++) calls.push(store.put(`key ${i}`, "w".repeat(100)), store.get(`key ${i}`));
    calls.push(store.flush(), store.sync());
    const results = await Promise.allSettled(calls);
    await store.close();
    const told = new Set();
    let wrong = 0;
    for (const { status, value, reason } of results) {
      if (status === "rejected") told.add(`${reason.name} ${reason.kind}: ${reason.message}`);
      else if (value !== undefined && !/^(v{100}|w{100})$/.test(value)) wrong += 1;
    }
    const again = await esker.open({ name: "cleared" }).catch((error) => error);
    if (again.name === "EskerError") told.add(`${again.name} ${again.kind}: ${again.message}`);
    else await again.close();
    const another = await esker.open({ name: "not cleared" });
    await another.put("a", "1");
    const other = await another.get("a");
    await another.close();
    return { told: [...told], wrong, other };
  });
  equal([wrong, other], [0, "1"]);
  equal(told.filter((text) => !/^EskerError (Io|Locked): /.test(text)), []);
  equal(told.length > 0, true, "files that are gone are told of");
  return told[0];
}
