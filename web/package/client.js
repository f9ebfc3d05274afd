// A persistent store as the page sees it: promises, with the engine in a worker.

import { Channel } from "./channel.js";
import {
  BATCH, EskerError, FIRST_BATCH, Request, batchOf, bytesOf, code, encodingOf, entriesOf, give, keyOf,
  scanOf, settingsOf,
} from "./engine.js";
import { SegmentViews } from "./segments.js";

/** How long a worker may take to let go of its files, before it is ended. */
const RELEASE_MS = 2000;

const json = new TextDecoder();

/** What the reply to a `get` gives, by encoding; what the reply to a `has` gives. */
const valueAs = (encoding) => (reply) =>
  reply.length === 0 ? undefined : give(reply.subarray(1), encoding, "value");
const VALUES = { text: valueAs("text"), bytes: valueAs("bytes") };
const isOne = (reply) => reply[0] === 1;

const numberOf = (reply) => new DataView(reply.buffer, reply.byteOffset).getUint32(0, true);

/** What a store and a snapshot of it have in common. */
class AsyncReader {
  constructor(channel, target, encoding) {
    this._channel = channel;
    this._target = target;
    this._encoding = encoding;
  }

  get(key, options) {
    return this._read(code.get, key, () => VALUES[encodingOf(options?.as, this._encoding)]);
  }

  has(key) {
    return this._read(code.has, key, () => isOne);
  }

  /** Not an async function: that would be a second promise for each of many calls. */
  _read(number, key, takeOf) {
    try {
      return this._channel.read(number, this._target, key, takeOf());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async *range(options = {}) {
    const encoding = encodingOf(options.as, this._encoding);
    let left = options.limit ?? Infinity;
    const channel = this._channel;
    const scan = numberOf(await channel.call(code.scan, this._target, scanOf(options)));
    const next = (size) =>
      channel.call(code.next, scan, new Request().number(Math.min(size, left)).finish());
    try {
      let ahead = left > 0 ? next(FIRST_BATCH) : null;
      while (ahead) {
        const entries = entriesOf(await ahead, encoding);
        if (entries.length === 0) return;
        left -= entries.length;
        // The next batch is on its way while this one is used.
        ahead = left > 0 ? next(BATCH) : null;
        ahead?.catch(() => {});
        yield* entries;
      }
    } finally {
      if (channel.isOpen) channel.call(code.close, scan).catch(() => {});
    }
  }

  prefix(prefix, options = {}) {
    return this.range({ ...options, prefix });
  }

  [Symbol.asyncIterator]() {
    return this.range();
  }
}

/** The store at one moment; close it when it is not needed. */
export class Snapshot extends AsyncReader {
  async close() {
    if (this._channel.isOpen) await this._channel.call(code.close, this._target);
  }
}

/** A persistent store. */
export class Store extends AsyncReader {
  #views = new SegmentViews();
  #closed = null;

  constructor(channel, target, encoding, name, recoveredWrites) {
    super(channel, target, encoding);
    this.name = name;
    this.recoveredWrites = recoveredWrites;
  }

  async put(key, value) {
    await this._channel.put(this._target, key, value);
  }

  async delete(key) {
    const request = new Request().byte(1).raw(keyOf(key)).finish();
    await this._channel.call(code.delete, this._target, request);
  }

  async write(writes, options) {
    const request = batchOf(writes, options?.durable ? 2 : 1);
    await this._channel.call(code.write, this._target, request);
  }

  async snapshot() {
    const target = numberOf(await this._channel.call(code.snapshot, this._target));
    return new Snapshot(this._channel, target, this._encoding);
  }

  async flush() {
    await this._channel.call(code.flush, this._target);
  }

  async sync() {
    await this._channel.call(code.sync, this._target);
  }

  async compact() {
    await this._channel.call(code.compact, this._target, Uint8Array.of(0, 0));
  }

  get segments() {
    return this.#look((all, entries) => this.#views.tables(all, (at) => entries[at]), "table");
  }

  get memtable() {
    return this.#look((all, entries) => SegmentViews.memtable(all, (at) => entries[at]), "memtable");
  }

  /** What the segments are, with the entries of those of one kind, all of one moment. */
  async #look(view, kind) {
    for (;;) {
      const all = await this.layout;
      const ask = (about, position) => {
        if (about.kind !== kind) return null;
        const request = new Request().number(position).finish();
        return this._channel.call(code.entries, this._target, request);
      };
      const replies = await Promise.all([...all.map(ask), this.layout]);
      const same = JSON.stringify(replies.pop()) === JSON.stringify(all);
      if (same) {
        return view(all, replies.map((reply) => reply && entriesOf(reply, this._encoding)));
      }
    }
  }

  get layout() {
    return this.#json(code.segments);
  }

  get stats() {
    return this.#json(code.stats);
  }

  get files() {
    return this.#json(code.files);
  }

  explain(key) {
    return this.#json(code.explain, keyOf(key));
  }

  async readFile(name, offset = 0, length = 0x7fffffff) {
    const request = new Request().bytes(bytesOf(name, "name")).number(offset).number(length).finish();
    return (await this._channel.call(code.readFile, this._target, request)).slice();
  }

  async #json(number, request) {
    return JSON.parse(json.decode(await this._channel.call(number, this._target, request)));
  }

  close() {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close() {
    if (!this._channel.isOpen) return;
    const closed = new EskerError("InvalidInput", "it is closed");
    const done = this._channel.call(code.close, this._target);
    this._channel.refuse(closed);
    const released = new Promise((resolve) => { this._channel.onrelease = resolve; });
    try {
      await done;
      // So that whoever opens it next finds the files free.
      await Promise.race([released, new Promise((resolve) => setTimeout(resolve, RELEASE_MS))]);
    } finally {
      this._channel.end(closed);
    }
  }
}

/** The name of a store's folder. */
function folderOf(name) {
  if (typeof name !== "string" || name === "" || name.length > 80) {
    throw new EskerError("InvalidInput", "name: a text of 1 to 80 characters is needed");
  }
  bytesOf(name, "name");
  return `esker-${encodeURIComponent(name).replaceAll("*", "%2A")}`;
}

function needStorage() {
  if (typeof Worker === "undefined" || !globalThis.navigator?.storage?.getDirectory) {
    const message =
      "no origin-private file system here: it needs a browser and a secure context (https or localhost)";
    throw new EskerError("Unsupported", message);
  }
}

/** Opens the persistent store that `options` names. */
export async function openPersistent(module, options = {}) {
  const folder = folderOf(options.name);
  const [encoding, settings] = [encodingOf(options.encoding), settingsOf(options)];
  needStorage();
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const channel = new Channel(worker);
  const opened = await new Promise((resolve, reject) => {
    channel.onopen = resolve;
    channel.onend = reject;
    worker.postMessage({ open: { module, folder, name: options.name, settings } });
  });
  channel.onend = undefined;
  return new Store(channel, opened.target, encoding, options.name, opened.recoveredWrites);
}

/** Removes the persistent store called `name`, which must not be open. */
export async function destroy(options = {}) {
  const folder = folderOf(options.name);
  needStorage();
  const root = await navigator.storage.getDirectory();
  try {
    await root.removeEntry(folder, { recursive: true });
  } catch (error) {
    if (error.name === "NotFoundError") return;
    if (error.name === "NoModificationAllowedError") {
      throw new EskerError("Locked", `the store "${options.name}" is open; close it first`);
    }
    throw new EskerError("Io", `cannot remove the store "${options.name}": ${error.message}`);
  }
}
