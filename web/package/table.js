// A table from a file: of esker, LevelDB or RocksDB.

import { EskerError, Request, bytesOf, code, encodingOf, entriesOf, give, keyOf } from "./engine.js";
import { fromHex } from "./segments.js";

/** A table that is looked at. */
export class Table {
  constructor(engine, bytes, name = "file", options = {}) {
    this._engine = engine;
    this._encoding = encodingOf(options.encoding, "bytes");
    const content = bytesOf(bytes, "table");
    const request = new Request().bytes(bytesOf(name, "name")).raw(content).finish();
    this._target = engine.number(code.look, 0, request);
    const info = engine.json(code.lookInfo, this._target);
    this.engine = info.engine;
    this.bytes = info.bytes;
    this.properties = Object.freeze(info.properties);
    this.blocks = Object.freeze(info.blocks.map((block) => ({ ...block, key: fromHex(block.key) })));
  }

  get(key, options) {
    const encoding = encodingOf(options?.as, this._encoding);
    const reply = this._engine.call(code.lookGet, this._open(), keyOf(key));
    return reply.length === 0 ? undefined : give(reply.subarray(1), encoding, "value");
  }

  /** At most `count` entries from key `start` on, deletes too, as `[key, null]`. */
  entries(count = 100, start = new Uint8Array(0)) {
    const request = new Request().number(count).raw(keyOf(start)).finish();
    return entriesOf(this._engine.call(code.lookEntries, this._open(), request), this._encoding);
  }

  /** The decompressed block at byte `offset` of one of esker's tables. */
  block(offset) {
    const request = new Request().number(offset).finish();
    return this._engine.call(code.lookBlock, this._open(), request).slice();
  }

  _open() {
    if (this._target === 0) throw new EskerError("InvalidInput", "it is closed");
    return this._target;
  }

  close() {
    if (this._target !== 0 && !this._engine.dead) this._engine.call(code.close, this._target);
    this._target = 0;
  }
}
