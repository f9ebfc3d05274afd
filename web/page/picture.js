// The live picture: memtable, log, levels.

import { layer, levelRows, logRow } from "./levels.js";
import { count, element, size } from "./text.js";

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
    const memtable = layout.find(({ kind }) => kind === "memtable");
    const logs = files.filter(({ name }) => name.endsWith(".log"));
    const isFresh = ({ file }) => !this.#known.has(file);
    const rows = [
      this.#memtable(memtable, memtableBytes), logRow(logs), ...levelRows(tables, this.#onTable, isFresh),
    ];
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
