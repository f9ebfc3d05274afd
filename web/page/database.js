// A database from outside: what it is, its tables by level, its entries.

import { levelRows, logRow } from "./levels.js";
import { readerOf } from "./reader.js";
import { count, element, hexByte, size } from "./text.js";

const hex = (bytes) => Array.from(bytes, hexByte).join("");

function families(database, onFamily) {
  if (database.columnFamilies.length < 2) return null;
  const options = database.columnFamilies.map((name) =>
    element("option", { selected: name === database.columnFamily }, name));
  return element("label", {}, "Column family ",
    element("select", { onchange: ({ target }) => onFamily(target.value) }, ...options));
}

function facts(database) {
  const entries = database.logs.reduce((sum, log) => sum + log.entries, 0);
  const all = {
    tables: count(database.tables.length),
    "writes only in logs": count(entries),
    "order of keys": database.comparatorName ?? database.comparator,
    "column family": database.columnFamily,
  };
  return element("dl", { class: "numbers" }, ...Object.entries(all).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

/** Shows `database`, called `name`, in `place`. */
export function showDatabase(place, database, name, { onTable, onFamily }) {
  const bytes = [...database.tables, ...database.logs].reduce((sum, part) => sum + part.bytes, 0);
  // They come newest first, the picture wants them newest last.
  const tables = database.tables.map((table) => ({
    ...table, smallest: hex(table.smallest), largest: hex(table.largest),
  })).reverse();
  const logs = database.logs.map(({ file, bytes }) => ({ name: file, bytes }));
  const notices = database.notices.map((notice) => element("li", {}, notice));
  place.replaceChildren(
    element("h3", { tabindex: "-1" }, `${name}: a database of ${database.engine}, ${size(bytes)}`),
    notices.length > 0 ? element("ul", { class: "notices", "aria-label": "Notices" }, ...notices) : "",
    facts(database), families(database, onFamily) ?? "",
    element("div", { class: "picture" }, logRow(logs), ...levelRows(tables, onTable)),
    element("h4", {}, "Entries"), readerOf(database));
}
