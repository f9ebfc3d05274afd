// A store in memory: every call answers at once.

import { Request, batchOf, bytesOf, code, encodingOf, entriesOf, keyOf, settingsOf } from "./engine.js";
import { Reader } from "./reader.js";
import { SegmentViews } from "./segments.js";

/** Closes what was forgotten: scans and snapshots hold memory. */
const forgotten = new FinalizationRegistry(({ engine, target }) => {
  if (!engine.dead) engine.call(code.close, target);
});

/** The store at one moment; close it when it is not needed. */
export class MemorySnapshot extends Reader {
  constructor(store) {
    super(store._engine, store._engine.number(code.snapshot, store._open()), store._encoding);
    this._store = store;
    forgotten.register(this, { engine: this._engine, target: this._target }, this);
  }

  _open() {
    this._store._open();
    return super._open();
  }

  close() {
    forgotten.unregister(this);
    super.close();
  }
}

/** A store in memory. */
export class MemoryStore extends Reader {
  #views = new SegmentViews();

  constructor(engine, options = {}) {
    const encoding = encodingOf(options.encoding);
    super(engine, engine.number(code.openInMemory, 0, settingsOf(options)), encoding);
  }

  put(key, value) {
    this._engine.put(this._open(), key, value, 1);
  }

  delete(key) {
    this._engine.call(code.delete, this._open(), new Request().byte(1).raw(keyOf(key)).finish());
  }

  write(writes) {
    this._engine.call(code.write, this._open(), batchOf(writes));
  }

  snapshot() {
    return new MemorySnapshot(this);
  }

  flush() {
    this._engine.call(code.flush, this._open());
  }

  compact() {
    this._engine.call(code.compact, this._open(), Uint8Array.of(0, 0));
  }

  get segments() {
    return this.#views.tables(this.layout, (position) => this.#entriesAt(position));
  }

  get memtable() {
    return SegmentViews.memtable(this.layout, (position) => this.#entriesAt(position));
  }

  #entriesAt(position) {
    const request = new Request().number(position).finish();
    return entriesOf(this._engine.call(code.entries, this._open(), request), this._encoding);
  }

  get layout() {
    return this._engine.json(code.segments, this._open());
  }

  get stats() {
    return this._engine.json(code.stats, this._open());
  }

  explain(key) {
    return this._engine.json(code.explain, this._open(), keyOf(key));
  }

  get files() {
    return this._engine.json(code.files, this._open());
  }

  readFile(name, offset = 0, length = 0x7fffffff) {
    const request = new Request().bytes(bytesOf(name, "name")).number(offset).number(length);
    return this._engine.call(code.readFile, this._open(), request.finish()).slice();
  }
}
