// The bytes of a table: its regions, and the fields of each as docs/format.md names them.
//
// `format.json` is made from docs/format.md when the page is built: for each heading its tables of
// offset, size and field.

import { readerOf } from "./reader.js";
import { count, element, hexByte, show, size } from "./text.js";

const HEADER_LEN = 16;
const FOOTER_LEN = 96;
const FRAME_HEADER_LEN = 16;
const HEX_BYTES_MAX = 1024;

const format = await (await fetch(new URL("./format.json", import.meta.url))).json();

/** Rows of a heading's table as fields with numbers for offset and size. */
function fieldsOf(heading, position = 0) {
  const rows = format[heading]?.[position] ?? [];
  return rows
    .map(([offset, length, name]) => ({ offset: Number(offset), length: Number(length), name }))
    .filter(({ offset, length }) => Number.isFinite(offset) && length > 0);
}

function numberIn(bytes, { offset, length }) {
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[offset + i] ?? 0);
  return value;
}

const HANDLE = fieldsOf("Handle");

/** A field's bytes as what they mean. */
function meaning(bytes, field) {
  const part = bytes.subarray(field.offset, field.offset + field.length);
  if (field.name.startsWith("magic")) return show(part);
  if (field.name.includes("handle of") || field.name.startsWith("[handle]")) {
    if (part.every((byte) => byte === 0)) return "none";
    return HANDLE.map((inner) => `${inner.name.split(":")[0].split(",")[0]} ${numberIn(part, inner)}`).join(", ");
  }
  if (field.length > 8) return show(part);
  const value = numberIn(bytes, field);
  return /CRC|checksum|digest/.test(field.name) ? `0x${value.toString(16).padStart(field.length * 2, "0")}` : `${value}`;
}

/** The columns of a block, from its header: docs/format.md, "Block". */
function columns(block) {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const n = view.getUint32(0, true);
  const prefix = view.getUint32(4, true);
  const hasTags = (block[8] & 1) === 1;
  const [headLen, metaWidth, tailWidth, valueWidth] = block.subarray(9, 13);
  const tails = view.getUint32(32, true);
  const lengths = [
    ["prefix", prefix], ["tags", hasTags ? n : 0], ["heads", 8 * n],
    ["head lengths", headLen === 255 ? n : 0], ["metas", n * metaWidth],
    ["tail offsets", tailWidth === 0 ? 0 : (n + 1) * tailWidth],
    ["value offsets", valueWidth === 0 ? 0 : (n + 1) * valueWidth], ["tails", tails],
  ];
  let offset = 40;
  const found = lengths.map(([name, length]) => {
    const field = { offset, length, name: `column: ${name}` };
    offset += length;
    return field;
  });
  return [...found, { offset, length: block.length - offset, name: "column: values" }].filter(({ length }) => length > 0);
}

function hexRow(bytes, offset) {
  const text = [...bytes].map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
  return `${offset.toString().padStart(8)}  ${[...bytes].map(hexByte).join(" ").padEnd(47)}  ${text}\n`;
}

function hexOf(bytes, start) {
  const shown = bytes.subarray(0, HEX_BYTES_MAX);
  let text = "";
  for (let at = 0; at < shown.length; at += 16) text += hexRow(shown.subarray(at, at + 16), start + at);
  const more = bytes.length - shown.length;
  return text + (more > 0 ? `… and ${count(more)} bytes more\n` : "");
}

function fieldTable(caption, bytes, fields, start) {
  const rows = fields.map((field) =>
    element("tr", {},
      element("td", { class: "mono" }, `${start + field.offset}`), element("td", { class: "mono" }, `${field.length}`),
      element("td", {}, field.name.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "")),
      element("td", { class: "mono" }, meaning(bytes, field))));
  return element("table", {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...["byte", "size", "field", "value"].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows));
}

/** The regions of one of esker's tables: header, frames, footer. */
function regions(table, bytes) {
  const frames = table.blocks.map((block) => ({ ...block, isFrame: true, length: block.storedBytes }));
  return [
    { kind: "header", offset: 0, length: HEADER_LEN },
    ...frames,
    { kind: "footer", offset: bytes.length - FOOTER_LEN, length: FOOTER_LEN },
  ];
}

function detail(table, bytes, region) {
  const part = bytes.subarray(region.offset, region.offset + region.length);
  const shown = [element("h3", {}, `${region.kind}, bytes ${region.offset} to ${region.offset + region.length}`)];
  if (table.engine === "esker") {
    if (region.kind === "header") shown.push(fieldTable("Table file: header", part, fieldsOf("Table file", 0), 0));
    if (region.kind === "footer") shown.push(fieldTable("Table file: footer", part, fieldsOf("Table file", 1), region.offset));
    if (region.isFrame) {
      shown.push(fieldTable("Frame", part, fieldsOf("Frame").filter(({ offset }) => offset < FRAME_HEADER_LEN), region.offset));
      const block = table.block(region.offset);
      if (region.kind === "filter") {
        shown.push(element("p", {}, `Filter: ${count(block.length / 32)} buckets of 32 bytes for ${count(region.entries)} keys.`));
      } else {
        shown.push(fieldTable(`Block, decompressed (${region.codec})`, block, [...fieldsOf("Block"), ...columns(block)], 0));
      }
      if (region.codec !== "none") shown.push(element("h3", {}, "The block, decompressed"), element("pre", { class: "scroll mono", tabindex: "0" }, hexOf(block, 0)));
    }
  }
  shown.push(element("h3", {}, "In the file"), element("pre", { class: "scroll mono", tabindex: "0" }, hexOf(part, region.offset)));
  return shown;
}

/** Shows `table`, whose bytes are `bytes` and whose name is `name`, in `place`. */
export function showTable(place, table, bytes, name) {
  const all = table.engine === "esker" ? regions(table, bytes) : table.blocks.map((block) => ({ ...block, length: block.storedBytes }));
  const right = element("div", { "aria-live": "polite" });
  const body = element("tbody");
  const choose = (region, row) => {
    for (const other of body.children) other.classList.toggle("chosen", other === row);
    right.replaceChildren(...detail(table, bytes, region));
  };
  all.slice(0, 2000).forEach((region) => {
    const row = element("tr");
    const button = element("button", { type: "button", onclick: () => choose(region, row) }, region.kind);
    row.append(element("td", {}, button), element("td", { class: "mono" }, `${region.offset}`),
      element("td", { class: "mono" }, size(region.length)), element("td", { class: "mono" }, region.entries ? count(region.entries) : ""),
      element("td", { class: "mono" }, region.key?.length ? show(region.key, 24) : ""));
    body.append(row);
  });
  const properties = table.properties.slice(0, 40).map(({ name, value }) => element("div", {}, element("dt", {}, name), element("dd", {}, show(value, 60))));
  place.replaceChildren(
    element("h3", {}, `${name}: a table of ${table.engine}, ${size(table.bytes)}`),
    element("dl", { class: "numbers" }, ...properties),
    element("details", {}, element("summary", {}, "Entries"), readerOf(table)),
    element("div", { class: "two" },
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Regions of the file" },
        element("table", {}, element("thead", {}, element("tr", {}, ...["part", "byte", "size", "entries", "key"].map((title) => element("th", { scope: "col" }, title)))), body)),
      right));
  if (all.length > 0) choose(all.at(-1), body.children[Math.min(all.length, 2000) - 1]);
}
