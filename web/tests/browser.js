// The tests that need a browser: real Chromium, headless, through playwright-core.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { everybody } from "./access.js";
import { equal } from "./equal.js";
import { SHIPPED } from "./fixtures.js";
import { dropOutside } from "./outside.js";
import { dataCleared, quotaUsedUp } from "./trouble.js";
import { openPage, usePage, withoutNetwork } from "./page.js";
import { serve } from "./server.js";

const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update",
];
/** Puts and gets of the comparison; `ESKER_WEB_COUNT=1000000` for the whole million. */
const COUNT = Number(process.env.ESKER_WEB_COUNT ?? 100000);
/** IndexedDB gets fewer, so as not to wait for it. */
const INDEXED_DB_COUNT = Math.min(COUNT, Number(process.env.ESKER_WEB_IDB_COUNT ?? 20000));

/** Minutes that one step may take; a million of IndexedDB takes some on a busy machine. */
const MINUTES = Math.max(2, COUNT / 50000);

const problems = [];
const launched = [];

/** Nothing is asked for from anywhere else. */
function watchRequests(context, address) {
  context.on("request", (request) => {
    const url = request.url();
    if (!/^(data|blob):/.test(url) && !url.startsWith(address)) problems.push(`outside: ${url}`);
  });
}

async function launch(profile) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: ARGUMENTS,
  });
  context.setDefaultTimeout(MINUTES * 60000);
  launched.push(context);
  return context;
}

async function watchedPage(context) {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`page: ${error.stack ?? error}`));
  return page;
}

async function pageAt(context, address) {
  const page = await watchedPage(context);
  await page.goto(address);
  await page.waitForFunction(() => document.title === "ready");
  return page;
}

async function wholeApi(context, harness) {
  const page = await pageAt(context, harness);
  const { count, failures } = await page.evaluate(() => globalThis.runAll());
  await page.close();
  equal(failures, []);
  return `${count} tests`;
}

/** The examples of the package's README, with what they print. */
async function examples(context, harness) {
  const page = await pageAt(context, harness);
  await page.evaluate(() => {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", webkitdirectory: true });
    document.body.append(input);
  });
  await page.locator("input").setInputFiles(join(SHIPPED, "rocksdb-families"));
  const printed = await page.evaluate(() => globalThis.runExamples());
  await page.close();
  equal(printed.slice(0, 4), [
    "note/1 buy bread", "note/2 call home", '[["a","1"],["b","2"]]', "undefined",
  ]);
  equal(printed.length > 5, true, "entries of the database");
}

/** Writes without end, one after another, until the tab is gone; says how far it was told to be. */
async function killed(context, harness) {
  let acknowledged = -1;
  for (let round = 0; round < 3; round++) {
    const page = await context.newPage();
    await page.exposeFunction("tell", (i) => { acknowledged = Math.max(acknowledged, i); });
    await page.goto(harness);
    await page.waitForFunction(() => document.title === "ready");
    const from = acknowledged + 1;
    await page.evaluate(async (from) => {
      const store = await globalThis.esker.open({ name: "killed", memtableBytes: 65536 });
      (async () => {
        for (let i = from; ; i += 8) {
          const group = Array.from({ length: 8 }, (_, j) => store.put(`key ${i + j}`, "v".repeat(200)));
          await Promise.all(group);
          globalThis.tell(i + 7);
        }
      })();
    }, from);
    await new Promise((resolve) => setTimeout(resolve, 700));
    const session = await context.newCDPSession(page);
    session.send("Page.crash").catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    await page.close().catch(() => {});
  }
  const page = await pageAt(context, harness);
  const missing = await page.evaluate(async (acknowledged) => {
    const store = await globalThis.esker.open({ name: "killed" });
    const missing = [];
    for (let i = 0; i <= acknowledged; i++) if (!(await store.has(`key ${i}`))) missing.push(i);
    await store.close();
    return missing;
  }, acknowledged);
  await page.close();
  equal(missing, []);
  equal(acknowledged > 50, true, `${acknowledged} writes`);
  return `${acknowledged + 1} acknowledged writes over 3 killed tabs, none missing`;
}

async function reloaded(context, harness) {
  const page = await pageAt(context, harness);
  await page.evaluate(async () => {
    globalThis.store = await globalThis.esker.open({ name: "reload" });
    await globalThis.store.put("a", "1");
  });
  for (let i = 0; i < 3; i++) {
    await page.reload();
    await page.waitForFunction(() => document.title === "ready");
    const found = await page.evaluate(async (i) => {
      globalThis.store = await globalThis.esker.open({ name: "reload" });
      await globalThis.store.put(`b${i}`, "2");
      return globalThis.store.get("a");
    }, i);
    equal(found, "1");
  }
  return page;
}

async function secondTab(context, harness, first) {
  const page = await pageAt(context, harness);
  const told = await page.evaluate(async () => {
    try {
      await globalThis.esker.open({ name: "reload" });
      return "it opened";
    } catch (error) {
      return `${error.kind}: ${error.message}`;
    }
  });
  equal(told, 'Locked: the store "reload" is open in another tab or worker; close it there first');
  await first.close();
  const found = await page.evaluate(async () => {
    const store = await globalThis.esker.open({ name: "reload" });
    const found = await store.get("b2");
    await store.close();
    return found;
  });
  equal(found, "2");
  await page.close();
  return told;
}

async function troubled(context, harness, trouble) {
  const page = await pageAt(context, harness);
  const session = await context.newCDPSession(page);
  const { origin } = new URL(harness);
  const result = await trouble(page, session, origin);
  await page.close();
  return result;
}

async function speed(context, harness) {
  const page = await pageAt(context, harness);
  const { ours, theirs } = await page.evaluate(
    ([count, others]) => globalThis.compare(globalThis.esker, count, others), [COUNT, INDEXED_DB_COUNT]);
  await page.close();
  const times = (a, b) => (a / b).toFixed(1);
  return `a second: ${ours.puts} puts, ${ours.gets} gets of ${COUNT}; IndexedDB ${theirs.puts} and ` +
    `${theirs.gets} of ${INDEXED_DB_COUNT}: ${times(ours.puts, theirs.puts)} and ${times(ours.gets, theirs.gets)} times; ` +
    `gets one after another ${ours.single} and ${theirs.single}: ${times(ours.single, theirs.single)} times`;
}

async function outlives(profile, harness) {
  const context = await launch(profile);
  const page = await pageAt(context, harness);
  const found = await page.evaluate(async () => {
    const store = await globalThis.esker.open({ name: "reload" });
    const found = await store.get("a");
    await store.close();
    return found;
  });
  await context.close();
  equal(found, "1");
}

/** Clears the site's data in one run of the browser, and looks what the next finds. */
async function cleared(profile, harness) {
  const first = await launch(profile);
  const told = await troubled(first, harness, dataCleared);
  await first.close();
  const second = await launch(profile);
  const page = await pageAt(second, harness);
  const found = await page.evaluate(async () => {
    const store = await globalThis.esker.open({ name: "cleared" });
    const before = await store.get("key 0");
    await store.put("key 0", "1");
    const after = await store.get("key 0");
    await store.close();
    return [before, after];
  });
  await second.close();
  equal(found, [undefined, "1"]);
  return told;
}

const profile = await mkdtemp(join(tmpdir(), "esker-web-"));
const { address, close } = await serve(join(import.meta.dirname, ".."));
const harness = `${address}/tests/harness.html`;
const tell = (name, result) => console.log(`ok  ${name}${result ? `: ${result}` : ""}`);

/** Every test, in one run of the browser, then in others. */
async function everything() {
  const context = await launch(profile);
  watchRequests(context, address);
  tell("the whole API in the browser", await wholeApi(context, harness));
  await examples(context, harness);
  tell("the examples of the README");
  tell("a killed tab loses nothing that was acknowledged", await killed(context, harness));
  const first = await reloaded(context, harness);
  tell("a store outlives a reload");
  tell("a second tab gets a clear error", await secondTab(context, harness, first));
  tell("a quota used up loses nothing", await troubled(context, harness, quotaUsedUp));
  const page = await watchedPage(context);
  await page.setViewportSize({ width: 1280, height: 900 });
  await openPage(page, address);
  const fresh = await everybody(page);
  tell("the page", `${fresh}; in use, ${await usePage(page, address)}`);
  tell("files and directories from outside", await dropOutside(page, address));
  await withoutNetwork(page, address);
  tell("the page without a network");
  await page.close();
  tell("speed", await speed(context, harness));
  await context.close();
  await outlives(profile, harness);
  tell("a store outlives the browser");
  tell("cleared site data is told of", await cleared(profile, harness));
  equal(problems, [], "errors on the console, requests to elsewhere:");
}

try {
  if (process.env.ESKER_WEB_ONLY === "speed") tell("speed", await speed(await launch(profile), harness));
  else await everything();
} catch (error) {
  console.error(error);
  console.error(problems.join("\n"));
  process.exitCode = 1;
} finally {
  for (const context of launched) await context.close().catch(() => {});
  close();
  await rm(profile, { recursive: true, force: true });
}
