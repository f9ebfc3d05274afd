// What is read in the same way: a store in memory, a snapshot of it, a database from outside.

import { BATCH, EskerError, FIRST_BATCH, Request, code, encodingOf, entriesOf, give, scanOf } from "./engine.js";

/** Something open in an engine of this page, whose calls answer at once. */
export class Reader {
  constructor(engine, target, encoding) {
    this._engine = engine;
    this._target = target;
    this._encoding = encoding;
  }

  get(key, options) {
    const encoding = encodingOf(options?.as, this._encoding);
    const reply = this._engine.callWithKey(code.get, this._open(), key);
    return reply.length === 0 ? undefined : give(reply.subarray(1), encoding, "value");
  }

  has(key) {
    return this._engine.callWithKey(code.has, this._open(), key)[0] === 1;
  }

  *range(options = {}) {
    const encoding = encodingOf(options.as, this._encoding);
    let left = options.limit ?? Infinity;
    const engine = this._engine;
    const scan = engine.number(code.scan, this._open(), scanOf(options));
    try {
      for (let size = FIRST_BATCH; left > 0; size = BATCH) {
        this._open();
        const count = new Request().number(Math.min(size, left)).finish();
        const entries = entriesOf(engine.call(code.next, scan, count), encoding);
        if (entries.length === 0) return;
        left -= entries.length;
        yield* entries;
      }
    } finally {
      if (!engine.dead) engine.call(code.close, scan);
    }
  }

  prefix(prefix, options = {}) {
    return this.range({ ...options, prefix });
  }

  [Symbol.iterator]() {
    return this.range();
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
