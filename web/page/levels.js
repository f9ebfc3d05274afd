// Levels, each table over its range of keys.

import { count, element, show, size } from "./text.js";
import { fromHex } from "./package/segments.js";

/** Most tables of a level that are drawn. */
const TABLES_MAX = 500;

const compareBytes = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** Where a table begins and ends; in some databases keys fall. */
const ends = (places, smallest, largest) =>
  [places.get(smallest), places.get(largest)].sort((a, b) => a - b);

/**
 * Where each boundary key stands between left and right: in key order, with room for what lies
 * between two of them in proportion to the bytes there.
 */
function places(segments) {
  const keys = [...new Set(segments.flatMap(({ smallest, largest }) => [smallest, largest]))];
  keys.sort(compareBytes);
  const rank = new Map(keys.map((key, i) => [key, i]));
  const all = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const widths = keys.map(() => all * 0.004 + 1);
  for (const { smallest, largest, bytes } of segments) {
    const [first, last] = ends(rank, smallest, largest);
    for (let i = first; i < last; i++) widths[i] += bytes / (last - first);
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

/** What is said of a table: how much it holds, and from where to where. */
function describe(about) {
  const dead = about.tombstones > 0 ? `, ${count(about.tombstones)} deletes` : "";
  const entries = about.versions === undefined ? "" : `${count(about.versions)} entries${dead}, `;
  const keys = about.largest === "" ? "" : `, keys ${range(about)}`;
  return `table ${about.file}, ${entries}${size(about.bytes)}${keys}`;
}

function tableButton(about, at, onTable, isFresh) {
  const [left, right] = ends(at, about.smallest, about.largest);
  const label = describe(about);
  const much = about.versions === undefined ? size(about.bytes) : count(about.versions);
  const button = element("button", {
    class: `segment${isFresh ? " fresh" : ""}`,
    "data-id": about.file, title: label, "aria-label": label, type: "button",
    onclick: () => onTable(about.file),
  }, `${Number.parseInt(about.file, 10)} · ${much} · ${range(about)}`);
  button.style.left = `${left * 99}%`;
  button.style.width = `${Math.max(0.8, (right - left) * 99 + 0.3)}%`;
  return button;
}

/** One row of the picture. */
export function layer(title, note, ...children) {
  return element("div", { class: "layer" },
    element("h3", {}, title, element("small", {}, note)), ...children);
}

function levelRow(level, tables, button) {
  const total = tables.reduce((sum, { bytes }) => sum + bytes, 0);
  const many = `${count(tables.length)} ${tables.length === 1 ? "table" : "tables"}`;
  const note = tables.length === 0 ? "empty" : `${many}, ${size(total)}`;
  const buttons = tables.slice(0, TABLES_MAX).map(button);
  // Tables of level 0 overlap: newest on top, a row each. Those below never do.
  const lane =
    level === 0
      ? element("div", { class: "stack" },
          ...buttons.reverse().map((button) => element("div", { class: "row" }, button)))
      : element("div", { class: "lane" }, ...buttons);
  return layer(`Level ${level}`, note, lane);
}

function emptyLevels(first, last) {
  const title = first === last ? `Level ${first}` : `Levels ${first} – ${last}`;
  return layer(title, "empty", element("div", { class: "lane" }));
}

/** Rows for the levels of `tables`, of which those of level 0 stand newest last. */
export function levelRows(tables, onTable, isFresh = () => false) {
  const { keys, at } = places(tables);
  const button = (about) => tableButton(about, at, onTable, isFresh(about));
  const rows = [];
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
    if (here.length > 0 || level === 0) rows.push(levelRow(level, here, button));
  }
  if (keys.length > 0) {
    const ends = [keys[0], keys.at(-1)].map((key) => element("span", {}, show(fromHex(key), 20)));
    rows.push(element("div", { class: "axis", "aria-hidden": "true" }, ...ends));
  }
  return rows;
}

/** The row for logs, by name and size. */
export function logRow(files) {
  const text = files.map(({ name, bytes }) => `${name} ${size(bytes)}`).join("   ");
  return layer("Log", "writes, as they came", element("div", { class: "fill" }, text || "none"));
}
