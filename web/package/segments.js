// The frozen view of a store's tables.

/** Bytes from hexadecimal digits. */
export function fromHex(digits) {
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** What a segment is beside its entries: there, but not listed, so that a segment reads as its entries. */
const ABOUT = ["level", "file", "bytes", "versions", "tombstones", "sequence"];

function frozenEntries(entries) {
  for (const entry of entries) Object.freeze(entry);
  return Object.freeze(entries);
}

function segment(about, entries) {
  const view = { entries: frozenEntries(entries) };
  for (const name of ABOUT) Object.defineProperty(view, name, { value: about[name] });
  return Object.freeze(view);
}

/** Makes the views of a store's tables, and keeps those of tables that are still there. */
export class SegmentViews {
  #known = new Map();

  /**
   * All tables, newest last.
   * @param {object[]} all what the engine says of its segments, newest last
   * @param {(position: number) => [any, any][]} entriesAt entries of the segment at a position
   */
  tables(all, entriesAt) {
    const known = new Map();
    const views = [];
    all.forEach((about, position) => {
      if (about.kind !== "table") return;
      const before = this.#known.get(about.file);
      // A table never changes; a move to a deeper level changes only what is said about it.
      const view =
        before === undefined
          ? segment(about, entriesAt(position))
          : before.level === about.level
            ? before
            : segment(about, before.entries);
      known.set(about.file, view);
      views.push(view);
    });
    this.#known = known;
    return Object.freeze(views);
  }

  /** The memtable, with its size. */
  static memtable(all, entriesAt) {
    const position = all.findIndex((about) => about.kind === "memtable");
    const entries = frozenEntries(entriesAt(position));
    const view = { entries };
    Object.defineProperty(view, "size", { value: entries.length });
    Object.defineProperty(view, "bytes", { value: all[position].bytes });
    Object.defineProperty(view, Symbol.iterator, { value: () => entries[Symbol.iterator]() });
    return Object.freeze(view);
  }
}
