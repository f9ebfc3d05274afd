// A persistent store as the page sees it: promises, with the engine in a worker.
//
// Calls are gathered until the page's task ends and cross the border in one message, in order; so do
// the replies. Writes that cross together reach the file together.

import {
  BATCH, EskerError, FIRST_BATCH, Request, batchOf, bytesOf, code, encoder, encodingOf, entriesOf,
  give, keyOf, scanOf, settingsOf,
} from "./engine.js";
import { SegmentViews } from "./segments.js";

/** Bytes of one call before its request: its number, its target, the request's length. */
const HEAD_LEN = 9;
/** Bytes of gathered calls after which they are sent at once. */
const OUTBOX_BYTES = 256 << 10;

/** How long a worker may take to let go of its files, before it is ended. */
const RELEASE_MS = 2000;

const json = new TextDecoder();

/** The way to the worker and back. */
class Channel {
  #worker;
  #box = new Uint8Array(4096);
  #view = new DataView(this.#box.buffer);
  #length = 0;
  #calls = 0;
  #waiting = [];
  #first = 0;
  /** What calls fail with that come from now on. */
  #refusal = null;
  #isEnded = false;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.end(new EskerError("Poisoned", `the worker stopped: ${event.message ?? "unknown"}`));
    };
  }

  get isOpen() {
    return this.#refusal === null;
  }

  /** Sends a call; gives its reply. `fill` may write the request in place. */
  call(number, target, request) {
    if (this.#refusal) return Promise.reject(this.#refusal);
    const length = request?.length ?? 0;
    this.#room(HEAD_LEN + length);
    if (length > 0) this.#box.set(request, this.#length + HEAD_LEN);
    return this.#post(number, target, length);
  }

  /** Sends a put; text is written straight to its place. */
  put(target, key, value) {
    if (this.#refusal) return Promise.reject(this.#refusal);
    if (typeof key !== "string" || typeof value !== "string" || key.length > 20000) {
      const [keyBytes, valueBytes] = [keyOf(key), bytesOf(value, "value")];
      return this.call(code.put, target, new Request().byte(1).bytes(keyBytes).raw(valueBytes).finish());
    }
    const place = this.#room(HEAD_LEN + 5 + 3 * (key.length + value.length)) + HEAD_LEN;
    const keyLength = this.#text(key, place + 5);
    const valueLength = this.#text(value, place + 5 + keyLength);
    this.#box[place] = 1;
    this.#view.setUint32(place + 1, keyLength, true);
    return this.#post(code.put, target, 5 + keyLength + valueLength);
  }

  /** Sends a call whose request is one key. */
  callWithKey(number, target, key) {
    if (this.#refusal) return Promise.reject(this.#refusal);
    if (typeof key !== "string" || key.length > 20000) return this.call(number, target, keyOf(key));
    const place = this.#room(HEAD_LEN + 3 * key.length) + HEAD_LEN;
    return this.#post(number, target, this.#text(key, place));
  }

  #text(text, at) {
    if (text.isWellFormed && !text.isWellFormed()) bytesOf(text, "key or value");
    return encoder.encodeInto(text, this.#box.subarray(at)).written;
  }

  /** Makes room for so many more bytes, and says where they begin. */
  #room(more) {
    if (this.#length + more > this.#box.length) {
      const larger = new Uint8Array(Math.max(2 * this.#box.length, this.#length + more));
      larger.set(this.#box.subarray(0, this.#length));
      this.#box = larger;
      this.#view = new DataView(larger.buffer);
    }
    return this.#length;
  }

  #post(number, target, length) {
    this.#box[this.#length] = number;
    this.#view.setUint32(this.#length + 1, target, true);
    this.#view.setUint32(this.#length + 5, length, true);
    this.#length += HEAD_LEN + length;
    this.#calls += 1;
    if (this.#calls === 1) queueMicrotask(() => this.#send());
    const reply = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    if (this.#length > OUTBOX_BYTES) this.#send();
    return reply;
  }

  #send() {
    if (this.#calls === 0 || this.#isEnded) return;
    const calls = this.#box.slice(0, this.#length);
    this.#length = 0;
    this.#calls = 0;
    this.#worker.postMessage({ calls }, [calls.buffer]);
  }

  #receive({ replies, failure, opened, released }) {
    if (released) return this.onrelease?.();
    if (failure) return this.end(new EskerError(failure.kind, failure.message));
    if (opened) return this.onopen?.(opened);
    const view = new DataView(replies.buffer);
    let at = 0;
    while (at < replies.length) {
      const kind = replies[at];
      const end = at + 5 + view.getUint32(at + 1, true);
      const reply = replies.subarray(at + 5, end);
      const { resolve, reject } = this.#waiting[this.#first];
      this.#waiting[this.#first++] = undefined;
      if (kind === 0) resolve(reply);
      else {
        const { kind, message } = JSON.parse(json.decode(reply));
        reject(new EskerError(kind, message));
      }
      at = end;
    }
    if (this.#first > 1000 && this.#first * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Takes no more calls; those that were made are done. */
  refuse(error) {
    this.#refusal ??= error;
  }

  /** Ends everything: what waits fails with `error`, and so does what comes. */
  end(error) {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#refusal ??= error;
    this.#worker.terminate();
    for (const call of this.#waiting.slice(this.#first)) call.reject(error);
    this.#waiting = [];
    this.onend?.(error);
  }
}

const numberOf = (reply) => new DataView(reply.buffer, reply.byteOffset).getUint32(0, true);

/** What a store and a snapshot of it have in common. */
class AsyncReader {
  constructor(channel, target, encoding) {
    this._channel = channel;
    this._target = target;
    this._encoding = encoding;
  }

  async get(key, options) {
    const encoding = encodingOf(options?.as, this._encoding);
    const reply = await this._channel.callWithKey(code.get, this._target, key);
    return reply.length === 0 ? undefined : give(reply.subarray(1), encoding, "value");
  }

  async has(key) {
    return (await this._channel.callWithKey(code.has, this._target, key))[0] === 1;
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
