// The page: a store, its picture, and what is done to it.

import { open, openInMemory } from "./package/esker.js";
import { changes, run, wordsOf } from "./commands.js";
import { recordsOf } from "./csv.js";
import { chosen, dropped } from "./drop.js";
import { History } from "./history.js";
import { Outside } from "./outside.js";
import { Picture } from "./picture.js";
import { count, element, show, size } from "./text.js";
import { animate } from "./way.js";

/** Small, so that a few thousand writes show everything. */
const SETTINGS = { memtableBytes: 32 << 10, tableBytes: 64 << 10, blockBytes: 1 << 10, level0Tables: 4 };
const TICK_MS = 100;
const LOG_LINES = 300;

const at = (id) => document.getElementById(id);
let store = openInMemory(SETTINGS);
let writing = null;
let written = 0;

const outside = new Outside(at("table-view"));
const picture = new Picture(at("picture"), (file) => attempt(() => showOwn(file)));
const history = new History(at("when"), at("when-shown"), (state) => {
  picture.draw(state);
  numbers(state.stats);
});

function numbers(stats) {
  const shown = {
    "writes so far": count(stats.sequence), flushes: count(stats.flushes),
    compactions: `${count(stats.compactions)}, and ${count(stats.moves)} moves`,
    "written by you": size(stats.writtenBytes), "written to tables": size(stats.flushedBytes + stats.compactedOutBytes),
    "write amplification": stats.writtenBytes > 0
      ? ((stats.logBytes + stats.flushedBytes + stats.compactedOutBytes) / stats.writtenBytes).toFixed(1) : "–",
  };
  at("numbers").replaceChildren(...Object.entries(shown).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

async function stateNow() {
  const [layout, files, stats] = [await store.layout, await store.files, await store.stats];
  return { layout, files, stats, memtableBytes: SETTINGS.memtableBytes };
}

async function record(what) {
  history.add(what, await stateNow());
}

/** Says something above everything, until the next thing that goes well. */
function tell(text, isBad = true) {
  at("message").textContent = text;
  at("message").classList.toggle("bad", isBad);
  at("message").hidden = text === "";
}

function log(text, kind = "") {
  const list = at("log");
  list.append(element("li", { class: kind }, text));
  while (list.children.length > LOG_LINES) list.firstChild.remove();
  list.scrollTop = list.scrollHeight;
}

async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    tell(error.message);
    return false;
  }
}

async function command(words) {
  log(`> ${words.map((word) => (/\s|^$/.test(word) ? `"${word}"` : word)).join(" ")}`, "command");
  try {
    for (const line of (await run(store, words)).split("\n")) log(line);
    tell("");
    if (changes(words[0])) await record(words.join(" "));
    if (words[0] === "get") {
      if (!history.isNow) history.toNow();
      at("way-hint").textContent = `get ${show(words[1])}, as the store was then:`;
      await animate(at("way"), picture, words[1], await store.explain(words[1]));
    }
  } catch (error) {
    log(error.message, "bad");
  }
}

at("operate").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = event.submitter?.value ?? "put";
  const [key, value] = [at("key").value, at("value").value];
  const words = { put: [key, value], get: [key], delete: [key], scan: [key] }[name] ?? [];
  command([name, ...words]);
});

at("console").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = wordsOf(at("line").value);
  at("line").value = "";
  if (words.length > 0) command(words);
});

async function load(name, text) {
  if (/[\0\ufffd]/.test(text)) throw new Error(`${name} is not text. A CSV file in UTF-8 is needed.`);
  const { records, wrong } = recordsOf(text);
  if (records.length === 0) throw new Error(`${name}: no records. A line is a key, a comma, and a value.`);
  for (let first = 0; first < records.length; first += 200) {
    await store.write(records.slice(first, first + 200));
    if (first % 1000 === 0) {
      await record(`${first + 200} records of ${name}`);
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  await record(`${count(records.length)} records of ${name}`);
  const skipped = wrong.length > 0 ? `; left out ${wrong.length} lines without a key, the first is line ${wrong[0]}` : "";
  log(`${count(records.length)} records of ${name} are in${skipped}`);
  tell("");
}

at("sample").addEventListener("click", () => attempt(async () => {
  const response = await fetch("languages.csv");
  if (!response.ok) throw new Error(`the sample is not here: ${response.status}`);
  await load("languages.csv", await response.text());
}));

at("csv").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  await attempt(async () => file && load(file.name, await file.text()));
  target.value = "";
});

at("rate").addEventListener("input", ({ target }) => { at("rate-shown").value = count(Number(target.value)); });

async function writeSome() {
  const many = Math.round((Number(at("rate").value) * TICK_MS) / 1000);
  const writes = Array.from({ length: many }, () => {
    const key = `user/${String(Math.floor(Math.random() * 20000)).padStart(5, "0")}`;
    return Math.random() < 0.1 ? [key, null] : [key, `visit ${written++} from ${Math.random().toString(36).slice(2)}`];
  });
  if (many > 0) {
    await store.write(writes);
    await record(`${many} writes`);
  }
}

function stopWriting() {
  clearTimeout(writing);
  writing = null;
  at("writing").setAttribute("aria-pressed", "false");
}

at("writing").addEventListener("click", () => {
  if (writing !== null) return stopWriting();
  at("writing").setAttribute("aria-pressed", "true");
  const tick = async () => {
    const well = await attempt(writeSome);
    if (!well) stopWriting();
    else if (writing !== null) writing = setTimeout(tick, TICK_MS);
  };
  writing = setTimeout(tick, 0);
});

at("where").addEventListener("change", ({ target }) => attempt(async () => {
  stopWriting();
  const before = store;
  try {
    store = target.value === "browser" ? await open({ ...SETTINGS, name: "page" }) : openInMemory(SETTINGS);
  } catch (error) {
    target.value = "memory";
    throw error;
  }
  await before.close();
  history.clear();
  await record("open");
  const recovered = store.recoveredWrites ?? 0;
  log(target.value === "browser" ? `the store of this browser is open; ${count(recovered)} writes came from its log` : "a new store in memory");
  tell("");
}));

async function showOwn(file) {
  let bytes;
  try {
    bytes = await store.readFile(file);
  } catch {
    throw new Error(`${file} is gone: it was merged into another table since.`);
  }
  outside.showTable(bytes, file);
  reveal();
}

function reveal() {
  tell("");
  at("bytes").scrollIntoView({ block: "nearest" });
}

const showOutside = (found) => attempt(async () => {
  await outside.open(await found);
  reveal();
});
outside.onChoice = (work) => attempt(async () => {
  await work();
  reveal();
});

for (const id of ["table", "folder"]) {
  at(id).addEventListener("change", async ({ target }) => {
    await showOutside(chosen(target));
    target.value = "";
  });
}

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", ({ relatedTarget }) => {
  if (relatedTarget === null) document.body.classList.remove("dropping");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  showOutside(dropped(event.dataTransfer));
});

// After the first visit the page works without a network.
navigator.serviceWorker?.register("offline.js").catch(() => {});

await record("open");
log("a new store in memory; try: put apple red, then flush, then get apple");
document.documentElement.dataset.ready = "true";
