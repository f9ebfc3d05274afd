// esker: an ordered, log-structured key-value store, in memory or in the origin-private file system.

import { Engine, compile } from "./engine.js";
import { Database } from "./database.js";
import { MemoryStore } from "./memory.js";
import { Table } from "./table.js";
import { openPersistent } from "./client.js";

export { EskerError } from "./engine.js";
export { destroy } from "./client.js";
export { isDatabaseFile } from "./database.js";

const module = await compile();

/** Opens an empty store in memory. */
export function openInMemory(options = {}) {
  // An engine of its own: its memory goes when the store goes.
  return new MemoryStore(new Engine(module), options);
}

/** Opens the persistent store called `name`, and makes it if there is none. */
export function open(options) {
  return openPersistent(module, options);
}

/** Opens the bytes of a table: of esker, LevelDB or RocksDB. */
export function openTable(bytes, name, options) {
  return new Table(new Engine(module), bytes, name, options);
}

/** Opens the files of a directory, pairs of name and bytes: a database of LevelDB or RocksDB. */
export function openDatabase(files, name, options) {
  return new Database(new Engine(module), files, name, options);
}
