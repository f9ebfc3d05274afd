// The engine behind the border: requests as bytes in, replies as bytes out.

/** Numbers of requests; the crate `esker-wasm` has the same. */
export const code = Object.freeze({
  openInMemory: 1, open: 2, close: 3, put: 4, delete: 5, get: 6, has: 7, write: 8, scan: 9,
  next: 10, snapshot: 11, flush: 12, compact: 13, sync: 14, segments: 15, entries: 16, stats: 17,
  explain: 18, files: 19, readFile: 20, look: 21, lookInfo: 22, lookEntries: 23, lookGet: 24,
  lookBlock: 25, folder: 26, addFile: 27, openFolder: 28, reads: 29,
});

const KINDS = ["Corruption", "Unsupported", "InvalidInput", "Io", "Locked", "Poisoned"];

/** An error of the store; `kind` says what can be done about it. */
export class EskerError extends Error {
  /**
   * @param {string} kind
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "EskerError";
    this.kind = kind;
  }
}

export const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** Entries that cross the border at a time: few at first, for those who stop early. */
export const FIRST_BATCH = 16;
export const BATCH = 1024;
/** Longest key, in bytes. */
const KEY_BYTES_MAX = 65536;
/** A length that stands for "no value". */
const NONE = 0xffffffff;

/** Loads and compiles the engine once. */
export async function compile() {
  const url = new URL("./esker.wasm", import.meta.url);
  if (url.protocol === "file:" && typeof process !== "undefined") {
    const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ "node:fs/promises");
    return WebAssembly.compile(await readFile(url));
  }
  const response = await fetch(url);
  if (!response.ok) {
    throw new EskerError("Io", `cannot load ${url.href}: ${response.status} ${response.statusText}`);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}

/** The bytes of a key or value, which is a string or bytes. */
export function bytesOf(value, what) {
  if (typeof value === "string") {
    if (value.isWellFormed && !value.isWellFormed()) {
      throw new EskerError("InvalidInput", `${what}: half of a surrogate pair is not text; use bytes`);
    }
    return encoder.encode(value);
  }
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  const found = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  throw new EskerError("InvalidInput", `${what}: a string or a Uint8Array is needed, not ${found}`);
}

/** The bytes of a key. */
export function keyOf(key) {
  const bytes = bytesOf(key, "key");
  if (bytes.length > KEY_BYTES_MAX) {
    throw new EskerError("InvalidInput", `key: ${bytes.length} bytes, at most ${KEY_BYTES_MAX}`);
  }
  return bytes;
}

/** Longest text that is encoded or decoded here: it takes less than a call into the browser. */
const SHORT = 256;

/** Whether all bytes are below 128. */
function areAscii(bytes) {
  let all = 0;
  for (let i = 0; i < bytes.length; i++) all |= bytes[i];
  return all < 128;
}

/** Writes a text as UTF-8 into `bytes` at `at`, where there is room; gives the number of its bytes. */
export function writeText(text, bytes, at) {
  let i = 0;
  if (text.length <= SHORT) {
    for (let unit; i < text.length && (unit = text.charCodeAt(i)) < 128; i++) bytes[at + i] = unit;
    if (i === text.length) return i;
  }
  if (text.isWellFormed && !text.isWellFormed()) bytesOf(text, "key or value");
  return encoder.encodeInto(text, bytes.subarray(at)).written;
}

/** Bytes as what the store gives out: text, or a copy of the bytes. */
export function give(bytes, encoding, what) {
  if (encoding === "bytes") return bytes.slice();
  if (bytes.length <= SHORT && areAscii(bytes)) return String.fromCharCode.apply(null, bytes);
  try {
    return strict.decode(bytes);
  } catch {
    throw new EskerError(
      "InvalidInput",
      `${what}: not text; open the store with { encoding: "bytes" }, or ask with { as: "bytes" }`,
    );
  }
}

/** Checks the name of an encoding. */
export function encodingOf(name, otherwise = "text") {
  if (name === undefined) return otherwise;
  if (name === "text" || name === "bytes") return name;
  throw new EskerError("InvalidInput", `encoding: "text" or "bytes", not ${JSON.stringify(name)}`);
}

/** Builds a request. */
export class Request {
  constructor() {
    this.parts = [];
    this.length = 0;
  }
  raw(bytes) {
    this.parts.push(bytes);
    this.length += bytes.length;
    return this;
  }
  byte(value) {
    return this.raw(Uint8Array.of(value));
  }
  number(value) {
    return this.raw(new Uint8Array(Uint32Array.of(value).buffer));
  }
  bytes(bytes) {
    return this.number(bytes.length).raw(bytes);
  }
  finish() {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

/** The settings of a store as a request has them. */
export function settingsOf(options) {
  const request = new Request();
  for (const name of ["memoryBudgetBytes", "memtableBytes", "tableBytes", "blockBytes", "level0Tables"]) {
    const value = options[name] ?? 0;
    if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff) {
      throw new EskerError("InvalidInput", `${name}: a whole number is needed, not ${value}`);
    }
    request.number(value);
  }
  return request.number(options.compression === false ? 1 : 0).finish();
}

/** A bound of a scan: none, or a key and whether it is meant too. */
function bound(request, key, kind) {
  if (key === undefined) return request.byte(0);
  return request.byte(kind).bytes(keyOf(key));
}

/** Where a scan begins and ends, as a request has it. */
export function scanOf(options) {
  const request = new Request().byte(options.reverse ? 1 : 0);
  if (options.prefix !== undefined) return request.byte(1).bytes(keyOf(options.prefix)).finish();
  request.byte(0);
  if (options.gt !== undefined) bound(request, options.gt, 2);
  else bound(request, options.gte ?? options.start, 1);
  if (options.lte !== undefined) bound(request, options.lte, 1);
  else bound(request, options.lt ?? options.end, 2);
  return request.finish();
}

/** A batch as a request has it: a list of `{ type, key, value }`, or of `[key, value]`. */
export function batchOf(writes, durability = 1) {
  const request = new Request().byte(durability);
  let position = 0;
  for (const write of writes) {
    const [key, value, type] = Array.isArray(write)
      ? [write[0], write[1], write[1] === null ? "delete" : "put"]
      : [write?.key, write?.value, write?.type ?? write?.op ?? "put"];
    if (type === "delete" || type === "del") request.byte(0).bytes(keyOf(key));
    else if (type === "put") request.byte(1).bytes(keyOf(key)).bytes(bytesOf(value, "value"));
    else {
      const found = JSON.stringify(type);
      throw new EskerError("InvalidInput", `write ${position}: "put" or "delete", not ${found}`);
    }
    position += 1;
  }
  return request.finish();
}

/** The entries of a reply, each as a pair; no value is null. */
export function entriesOf(bytes, encoding) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = [];
  let at = 0;
  while (at < bytes.length) {
    const keyLength = view.getUint32(at, true);
    const valueLength = view.getUint32(at + 4, true);
    const keyEnd = at + 8 + keyLength;
    const key = give(bytes.subarray(at + 8, keyEnd), encoding, "key");
    at = keyEnd + (valueLength === NONE ? 0 : valueLength);
    const value = valueLength === NONE ? null : give(bytes.subarray(keyEnd, at), encoding, "value");
    entries.push([key, value]);
  }
  return entries;
}

/** One engine, with what is open in it. */
export class Engine {
  /**
   * @param {WebAssembly.Module} module
   * @param {{ handles: FileSystemSyncAccessHandle[] }} [files] what persistent stores write to
   */
  constructor(module, files = { handles: [] }) {
    this.dead = null;
    const memory = () => this.exports.memory.buffer;
    const attempt = (work) => {
      try {
        return work();
      } catch (error) {
        return error?.name === "QuotaExceededError" ? -2 : -1;
      }
    };
    const handles = files.handles;
    const esker = {
      file_count: () => handles.length,
      file_len: (slot) => attempt(() => handles[slot].getSize()),
      file_read: (slot, bytes, length, at) =>
        attempt(() => handles[slot].read(new Uint8Array(memory(), bytes, length), { at })),
      file_write: (slot, bytes, length, at) =>
        attempt(() => {
          const written = handles[slot].write(new Uint8Array(memory(), bytes, length), { at });
          return written === length ? written : -2;
        }),
      file_truncate: (slot, length) => attempt(() => (handles[slot].truncate(length), 0)),
      file_flush: (slot) => attempt(() => (handles[slot].flush(), 0)),
      now: () => performance.now(),
    };
    this.exports = new WebAssembly.Instance(module, { esker }).exports;
  }

  /** Does a request; the reply is good until the next one. */
  call(number, target, request) {
    if (this.dead) throw this.dead;
    try {
      const length = request === undefined ? 0 : request.length;
      if (length > 0) {
        const place = this.exports.esker_request(length) >>> 0;
        new Uint8Array(this.exports.memory.buffer, place, length).set(request);
      }
      return this.#reply(this.exports.esker_call(number, target, length));
    } catch (error) {
      throw this.#judge(error);
    }
  }

  /** As `call`, for a request that is one key, with text written straight to its place. */
  callWithKey(number, target, key) {
    if (typeof key !== "string" || key.length > 1000) return this.call(number, target, keyOf(key));
    if (this.dead) throw this.dead;
    const room = key.length * 3;
    try {
      const place = this.exports.esker_request(room) >>> 0;
      const length = this.#text(key, place, room);
      return this.#reply(this.exports.esker_call(number, target, length));
    } catch (error) {
      throw this.#judge(error);
    }
  }

  /** Puts one key. */
  put(target, key, value, durability) {
    const isText = typeof key === "string" && typeof value === "string";
    if (!isText || key.length > 1000 || value.length > 100000) {
      const bytes = bytesOf(value, "value");
      return this.call(code.put, target, new Request().byte(durability).bytes(keyOf(key)).raw(bytes).finish());
    }
    if (this.dead) throw this.dead;
    const room = 5 + (key.length + value.length) * 3;
    try {
      const place = this.exports.esker_request(room) >>> 0;
      const keyLength = this.#text(key, place + 5, key.length * 3);
      const valueAt = place + 5 + keyLength;
      const valueLength = this.#text(value, valueAt, value.length * 3);
      const head = new DataView(this.exports.memory.buffer, place, 5);
      head.setUint8(0, durability);
      head.setUint32(1, keyLength, true);
      return this.#reply(this.exports.esker_call(code.put, target, 5 + keyLength + valueLength));
    } catch (error) {
      throw this.#judge(error);
    }
  }

  #text(text, place, room) {
    return writeText(text, new Uint8Array(this.exports.memory.buffer, place, room), 0);
  }

  #reply(result) {
    const length = result < 0 ? -1 - result : result;
    const place = length > 0 ? this.exports.esker_reply() >>> 0 : 0;
    const bytes = new Uint8Array(this.exports.memory.buffer, place, length);
    if (result >= 0) return bytes;
    throw new EskerError(KINDS[bytes[0]] ?? "Io", lenient.decode(bytes.subarray(1)));
  }

  /** After a trap the engine's memory is not to be trusted. */
  #judge(error) {
    if (error instanceof EskerError) return error;
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
      const message = `the engine stopped: ${error.message}; open the store again`;
      this.dead = new EskerError("Poisoned", message);
      return this.dead;
    }
    return error;
  }

  number(number, target, request) {
    const reply = this.call(number, target, request);
    return new DataView(reply.buffer, reply.byteOffset, 4).getUint32(0, true);
  }

  json(number, target, request) {
    return JSON.parse(lenient.decode(this.call(number, target, request)));
  }
}
