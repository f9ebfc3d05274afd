// Tables and databases from outside: what was dropped or chosen is opened and shown.

import { isDatabaseFile, openDatabase, openTable } from "./package/esker.js";
import { showTable } from "./bytes.js";
import { showDatabase } from "./database.js";
import { count, element, size } from "./text.js";

const FILE_BYTES_MAX = 512 << 20;
const DATABASE_BYTES_MAX = 1024 ** 3;

const KINDS = "It should be a table of esker (.sstable), LevelDB (.ldb, .sst) or RocksDB (.sst).";

async function bytesOf(file) {
  if (file.size > FILE_BYTES_MAX) {
    throw new Error(`${file.name}: ${size(file.size)} is more than this page reads, ${size(FILE_BYTES_MAX)}.`);
  }
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    throw new Error(`${file.name} cannot be read: ${error.message}`);
  }
}

/** The folders that hold a database, each with its files by name. */
function databasesIn(found) {
  const folders = new Map();
  for (const { folder, file } of found) {
    if (!folders.has(folder)) folders.set(folder, []);
    folders.get(folder).push(file);
  }
  const isDatabase = ([folder, files]) =>
    files.some(({ name }) => name === "CURRENT") || (folder !== "" && files.some(({ name }) => isDatabaseFile(name)));
  return [...folders].filter(isDatabase);
}

/** Shows one thing from outside at a time, and lets go of the one before. */
export class Outside {
  #place;
  #open = null;

  constructor(place) {
    this.#place = place;
  }

  /** Shows the table that `bytes` are. */
  showTable(bytes, name) {
    const table = openTable(bytes, name);
    this.#keep(table);
    showTable(this.#place, table, bytes, name);
  }

  #keep(opened) {
    this.#open?.close();
    this.#open = opened;
  }

  /** Opens what was found; `found` is a list of files, each with its folder. */
  async open(found) {
    if (found.length === 0) throw new Error("There is no file in it.");
    const databases = databasesIn(found);
    if (databases.length === 1) return this.#openDatabase(...databases[0]);
    if (databases.length > 1) return this.#choose(databases);
    const alone = found.filter(({ folder }) => folder === "");
    const tables = found.filter(({ file }) => /\.(sstable|ldb|sst)$/.test(file.name));
    if (alone.length === 0 && tables.length === 0) {
      throw new Error(`${found[0].folder} holds no database and no table. A database of LevelDB has files called CURRENT and MANIFEST-000001, or the like.`);
    }
    for (const { file } of alone.length > 0 ? alone : tables) await this.#openTable(file);
  }

  async #openTable(file) {
    const bytes = await bytesOf(file);
    try {
      this.showTable(bytes, file.name);
    } catch (error) {
      throw new Error(`${file.name} cannot be read as a table. ${KINDS} (${error.message})`);
    }
  }

  #choose(databases) {
    this.#keep(null);
    const buttons = databases.map(([folder, files]) =>
      element("li", {}, element("button", { type: "button", onclick: () => this.onChoice(() => this.#openDatabase(folder, files)) },
        folder || "the files themselves")));
    this.#place.replaceChildren(
      element("h3", {}, `${count(databases.length)} databases are in it: which one?`),
      element("ul", { class: "choices" }, ...buttons));
  }

  /** Called with what a choice does. */
  onChoice = (work) => work();

  async #openDatabase(folder, all) {
    const name = folder.split("/").at(-1) || "database";
    const wanted = all.filter((file) => isDatabaseFile(file.name));
    const total = wanted.reduce((sum, file) => sum + file.size, 0);
    if (total > DATABASE_BYTES_MAX) {
      throw new Error(`${name}: ${size(total)} is more than this page reads, ${size(DATABASE_BYTES_MAX)}.`);
    }
    const files = [];
    for (const file of wanted) files.push([file.name, await bytesOf(file)]);
    this.#showDatabase(new Map(files), name, {});
  }

  #showDatabase(files, name, options) {
    const database = openInAnyOrder(files, name, options);
    this.#keep(database);
    showDatabase(this.#place, database, name, {
      onTable: (file) => this.onChoice(() => this.showTable(files.get(file), file)),
      onFamily: (columnFamily) => this.onChoice(() => this.#showDatabase(files, name, { columnFamily })),
    });
  }
}

/** Opens a database; byte by byte if nobody knows the order of its keys, which it then says. */
function openInAnyOrder(files, name, options) {
  try {
    return openDatabase(files, name, options);
  } catch (error) {
    if (error.kind === "Unsupported" && error.message.includes("comparator")) {
      return openDatabase(files, name, { ...options, comparator: "raw" });
    }
    throw new Error(`${name} cannot be read as a database of LevelDB or RocksDB. (${error.message})`);
  }
}
