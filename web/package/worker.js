// The worker of a persistent store: the engine over files of the origin-private file system.

import { Engine, EskerError, code, encoder } from "./engine.js";

/** Files that are ready beyond those in use: as many as are in use, and these. */
const SPARE_FILES = 16;
/** How long, and how often, the files of a page that is just going are asked for. */
const ATTEMPTS = 12;
const PAUSE_MS = 100;
/** What the engine says when it wants a file and none is free. */
const NO_FREE_FILE = "no free file in the pool";
/** Calls whose first byte says how durable they are. */
const WRITES = new Set([code.put, code.delete, code.write]);
const HEAD_LEN = 9;

const files = { handles: [] };
let folder;
let lock;
let engine;
let store = 0;

/** An exclusive handle; tries again while another page may be letting go. */
async function handleOf(name, attempts = 1) {
  const file = await folder.getFileHandle(name, { create: true });
  for (;;) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      attempts -= 1;
      if (error.name !== "NoModificationAllowedError" || attempts <= 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Opens more files, until there are `count`. */
async function growTo(count) {
  const names = [];
  for (let i = files.handles.length; i < count; i++) names.push(`${i}`);
  files.handles.push(...(await Promise.all(names.map((name) => handleOf(name, ATTEMPTS)))));
}

/** Keeps enough free files for whatever one call may want. */
async function keepSpare(more = 0) {
  const found = engine.exports.esker_free_files();
  const [free, used] = [found & 0xffff, found >>> 16];
  const missing = used + SPARE_FILES + more - free;
  if (missing > SPARE_FILES / 2 || more > 0) await growTo(files.handles.length + missing);
}

async function open({ module, folder: folderName, name, settings }) {
  const root = await navigator.storage.getDirectory();
  folder = await root.getDirectoryHandle(folderName, { create: true });
  try {
    lock = await handleOf("lock", ATTEMPTS);
  } catch (error) {
    if (error.name !== "NoModificationAllowedError") throw error;
    const message = `the store "${name}" is open in another tab or worker; close it there first`;
    throw new EskerError("Locked", message);
  }
  let count = 0;
  for await (const entry of folder.keys()) {
    if (/^\d+$/.test(entry)) count = Math.max(count, Number(entry) + 1);
  }
  await growTo(Math.max(count, SPARE_FILES));
  engine = new Engine(module, files);
  if (engine.exports.esker_files() !== 0) {
    throw new EskerError("Io", `the files of the store "${name}" cannot be read`);
  }
  await keepSpare();
  const reply = await callWithFiles({ number: code.open, target: 0, request: settings });
  const view = new DataView(reply.buffer, reply.byteOffset, 8);
  store = view.getUint32(0, true);
  await keepSpare();
  return { target: store, recoveredWrites: view.getUint32(4, true) };
}

/** Where each call of a message stands. */
function* callsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = 0;
  while (at < bytes.length) {
    const length = view.getUint32(at + 5, true);
    const start = at + HEAD_LEN;
    at = start + length;
    const number = bytes[start - HEAD_LEN];
    yield { number, target: view.getUint32(start - 8, true), request: bytes.subarray(start, at) };
  }
}

/** Replies of one message, one after another. */
class Replies {
  #bytes = new Uint8Array(1024);
  #length = 0;

  add(kind, reply) {
    const end = this.#length + 5 + reply.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, end));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes[this.#length] = kind;
    new DataView(this.#bytes.buffer).setUint32(this.#length + 1, reply.length, true);
    this.#bytes.set(reply, this.#length + 5);
    this.#length = end;
  }

  fail(error) {
    const message = String(error.message ?? error);
    this.add(1, encoder.encode(JSON.stringify({ kind: error.kind ?? "Io", message })));
  }

  take() {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Does the reads of one message, and posts their replies; gives what must be done one by one. */
function readAll(bytes) {
  for (let at = 0; at < bytes.length; ) {
    let reply;
    try {
      reply = engine.call(code.reads, 0, bytes.subarray(at));
    } catch {
      // One of them failed. The others go on, and it gets its error.
      return bytes.subarray(at);
    }
    at += new DataView(reply.buffer, reply.byteOffset).getUint32(0, true);
    const replies = reply.slice(4);
    self.postMessage({ replies }, [replies.buffer]);
  }
  return null;
}

/** Does one call; with more files, if it wanted one and none was free. */
async function callWithFiles({ number, target, request }) {
  for (let attempt = 0; ; attempt++) {
    try {
      return engine.call(number, target, request);
    } catch (error) {
      if (attempt === 3 || !error.message.includes(NO_FREE_FILE)) throw error;
      await keepSpare(SPARE_FILES << attempt);
    }
  }
}

/** Does the calls of one message in order. Only the last write goes to the file, with all before. */
async function doAll(bytes) {
  const calls = [...callsOf(bytes)];
  const last = calls.findLastIndex(({ number }) => WRITES.has(number));
  calls.forEach(({ number, request }, i) => {
    if (WRITES.has(number) && i < last && request[0] === 1) request[0] = 0;
  });
  const replies = new Replies();
  const held = [];
  let handedOver = null;
  for (const [i, call] of calls.entries()) {
    try {
      let reply;
      try {
        reply = engine.call(call.number, call.target, call.request);
      } catch (error) {
        if (!error.message.includes(NO_FREE_FILE)) throw error;
        reply = await callWithFiles(call);
      }
      // A copy: the engine's memory may move with the next call.
      held.push([0, reply.slice()]);
    } catch (error) {
      held.push([1, error]);
      if (i === last) handedOver = error;
    }
    if (call.number === code.close && call.target === store) store = 0;
  }
  held.forEach(([kind, reply], i) => {
    // What was not handed over with the last write may be lost: nobody is told that it is safe.
    if (handedOver && WRITES.has(calls[i].number)) replies.fail(handedOver);
    else if (kind === 0) replies.add(0, reply);
    else replies.fail(reply);
  });
  return replies.take();
}

/**
 * Lets go of all files, and says so. The last thing done: a handle that lost its file, since somebody
 * cleared the site's data, may never come back from this.
 */
function release() {
  for (const handle of files.handles) handle.close();
  files.handles.length = 0;
  lock?.close();
  self.postMessage({ released: true });
}

let before = Promise.resolve();
self.onmessage = ({ data }) => {
  before = before.then(async () => {
    try {
      if (data.open) {
        self.postMessage({ opened: await open(data.open) });
        return;
      }
      const calls = data.areReads ? readAll(data.calls) : data.calls;
      if (calls === null) return;
      const replies = await doAll(calls);
      self.postMessage({ replies }, [replies.buffer]);
      if (store !== 0) await keepSpare();
      else release();
    } catch (error) {
      const message = `the browser refused the store's files: ${error.message}; open it again`;
      const failure = error.kind ? { kind: error.kind, message: error.message } : { kind: "Io", message };
      self.postMessage({ failure });
    }
  });
};
