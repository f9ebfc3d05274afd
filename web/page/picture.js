// The live picture: memtable, log, levels, each table over its range of keys.

import { count, element, show, size } from "./text.js";
import { fromHex } from "./package/segments.js";

const compareBytes = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Where each boundary key stands between left and right: in key order, with room for what lies
 * between two of them in proportion to the entries there.
 */
function places(segments) {
  const keys = [...new Set(segments.flatMap(({ smallest, largest }) => [smallest, largest]))];
  keys.sort(compareBytes);
  const rank = new Map(keys.map((key, i) => [key, i]));
  const all = segments.reduce((sum, { versions }) => sum + versions, 0);
  const widths = keys.map(() => all * 0.004 + 1);
  for (const { smallest, largest, versions } of segments) {
    const [first, last] = [rank.get(smallest), rank.get(largest)];
    for (let i = first; i < last; i++) widths[i] += versions / (last - first);
  }
  widths.pop();
  const total = widths.reduce((sum, width) => sum + width, 0) || 1;
  let before = 0;
  const at = new Map(keys.map((key, i) => {
    const place = before / total;
    before += widths[i] ?? 0;
    return [key, place];
  }));
  return { keys, at };
}

function range({ smallest, largest }) {
  return `${show(fromHex(smallest), 20)} – ${show(fromHex(largest), 20)}`;
}

function tableButton(about, at, known, onTable) {
  const [left, right] = [at.get(about.smallest), at.get(about.largest)];
  const dead = about.tombstones > 0 ? `, ${count(about.tombstones)} deletes` : "";
  const label =
    `table ${about.file}, ${count(about.versions)} entries${dead}, ${size(about.bytes)}, keys ${range(about)}`;
  const button = element("button", {
    class: `segment${known.has(about.file) ? "" : " fresh"}`,
    "data-id": about.file, title: label, "aria-label": label, type: "button",
    onclick: () => onTable(about.file),
  }, `${Number.parseInt(about.file, 10)} · ${count(about.versions)} · ${range(about)}`);
  button.style.left = `${left * 99}%`;
  button.style.width = `${Math.max(1, (right - left) * 99 + 1)}%`;
  return button;
}

function layer(title, note, ...children) {
  return element("div", { class: "layer" },
    element("h3", {}, title, element("small", {}, note)), ...children);
}

/** Draws pictures into one place. */
export class Picture {
  #place;
  #onTable;
  #known = new Set();

  constructor(place, onTable) {
    this.#place = place;
    this.#onTable = onTable;
  }

  draw({ layout, files, memtableBytes }) {
    const tables = layout.filter(({ kind }) => kind === "table");
    const { keys, at } = places(tables);
    const memtable = layout.find(({ kind }) => kind === "memtable");
    const rows = [this.#memtable(memtable, memtableBytes), logs(files)];
    const deepest = Math.max(1, ...tables.map(({ level }) => level));
    let firstEmpty = null;
    for (let level = 0; level <= deepest; level++) {
      const here = tables.filter((table) => table.level === level);
      if (here.length === 0 && level > 0) {
        firstEmpty ??= level;
        if (level < deepest) continue;
      }
      if (firstEmpty !== null) rows.push(emptyLevels(firstEmpty, here.length > 0 ? level - 1 : level));
      firstEmpty = null;
      if (here.length > 0 || level === 0) rows.push(this.#level(level, here, at));
    }
    if (keys.length > 0) {
      const ends = [keys[0], keys.at(-1)].map((key) => element("span", {}, show(fromHex(key), 20)));
      rows.push(element("div", { class: "axis", "aria-hidden": "true" }, ...ends));
    }
    const focused = document.activeElement?.dataset?.id;
    this.#place.replaceChildren(...rows);
    if (focused) this.find(focused)?.focus();
    this.#known = new Set(tables.map(({ file }) => file));
  }

  #memtable(memtable, most) {
    const share = Math.min(1, memtable.bytes / most);
    const dead = memtable.tombstones > 0 ? `, ${count(memtable.tombstones)} deletes` : "";
    const text = `${count(memtable.versions)} entries${dead}, ${size(memtable.bytes)} of ${size(most)}`;
    const fill = element("div", { class: "fill segment memtable", "data-id": "memtable" }, text);
    fill.style.background =
      `linear-gradient(90deg, var(--memory) ${share * 100}%, var(--raised) ${share * 100}%)`;
    return layer("Memtable", "newest writes, sorted", fill);
  }

  #level(level, tables, at) {
    const total = tables.reduce((sum, { bytes }) => sum + bytes, 0);
    const note = tables.length === 0 ? "empty" : `${count(tables.length)} tables, ${size(total)}`;
    const buttons = tables.map((table) => tableButton(table, at, this.#known, this.#onTable));
    // Tables of level 0 overlap: newest on top, a row each. Those below never do.
    const lane =
      level === 0
        ? element("div", { class: "stack" },
            ...buttons.reverse().map((button) => element("div", { class: "row" }, button)))
        : element("div", { class: "lane" }, ...buttons);
    return layer(`Level ${level}`, note, lane);
  }

  /** The element of the memtable or of a table. */
  find(id) {
    return this.#place.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  /** Marks one part with what it said, or takes all marks off. */
  mark(id, verdict) {
    if (id === null) {
      for (const part of this.#place.querySelectorAll(".segment")) {
        part.classList.remove("asked", "no", "found", "stopped");
      }
      return;
    }
    const part = this.find(id);
    part?.classList.remove("asked", "no", "found", "stopped");
    part?.classList.add(verdict);
  }
}

function emptyLevels(first, last) {
  const title = first === last ? `Level ${first}` : `Levels ${first} – ${last}`;
  return layer(title, "empty", element("div", { class: "lane" }));
}

function logs(files) {
  const all = files.filter(({ name }) => name.endsWith(".log"));
  const text = all.map(({ name, bytes }) => `${name} ${size(bytes)}`).join("   ");
  return layer("Log", "writes, as they came", element("div", { class: "fill" }, text || "none"));
}
