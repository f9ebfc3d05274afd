// A database of LevelDB or RocksDB, from the files of its directory.

import { EskerError, Request, bytesOf, code, encodingOf, entriesOf, keyOf } from "./engine.js";
import { Reader } from "./reader.js";
import { fromHex } from "./segments.js";

/** A file of such a database; others in its directory tell a reader nothing. */
const FILE = /^(CURRENT|IDENTITY|MANIFEST-\d+|OPTIONS-\d+|\d+\.(log|ldb|sst))$/;

/** Whether a database has files of that name. */
export const isDatabaseFile = (name) => FILE.test(name);

/** Opens the directory that `files`, pairs of name and bytes, make up; gives its number. */
function openFolder(engine, files, name, { comparator = "", columnFamily = "" }) {
  const text = (value, what) => {
    if (typeof value === "string") return bytesOf(value, what);
    throw new EskerError("InvalidInput", `${what}: a string is needed`);
  };
  const folder = engine.number(code.folder, 0, new Request().bytes(text(name, "name")).finish());
  for (const [file, bytes] of files) {
    const content = bytesOf(bytes, file);
    engine.call(code.addFile, folder, new Request().bytes(text(file, "file name")).raw(content).finish());
  }
  const request = new Request().bytes(text(comparator, "comparator")).bytes(text(columnFamily, "columnFamily"));
  const target = engine.number(code.openFolder, folder, request.finish());
  engine.call(code.close, folder);
  return target;
}

/** A database that is looked at; nothing is ever written to it. */
export class Database extends Reader {
  constructor(engine, files, name = "database", options = {}) {
    const encoding = encodingOf(options.encoding, "bytes");
    super(engine, openFolder(engine, files, name, options), encoding);
    const { tables, ...info } = engine.json(code.lookInfo, this._target);
    Object.assign(this, info);
    const keys = ({ smallest, largest }) => ({ smallest: fromHex(smallest), largest: fromHex(largest) });
    this.tables = Object.freeze(tables.map((table) => Object.freeze({ ...table, ...keys(table) })));
  }

  /** At most `count` entries from key `start` on: all versions, deletes as `[key, null]`. */
  entries(count = 100, start = new Uint8Array(0)) {
    const request = new Request().number(count).raw(keyOf(start)).finish();
    return entriesOf(this._engine.call(code.lookEntries, this._open(), request), this._encoding);
  }

  explain(key) {
    return this._engine.json(code.explain, this._open(), keyOf(key));
  }
}
