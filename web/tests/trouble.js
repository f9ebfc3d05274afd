// What a browser can do to a store: give it no more room.

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
