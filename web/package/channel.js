// The way to the worker and back.
//
// Calls are gathered until the page's task ends and cross the border in one message, in order; so do
// the replies. Writes that cross together reach the file together. Many reads cross in several
// messages, so that the worker reads while the page still asks, and the page takes while it reads.

import { EskerError, Request, bytesOf, code, keyOf, writeText } from "./engine.js";

/** Bytes of one call before its request: its number, its target, the request's length. */
const HEAD_LEN = 9;
/** Bytes of gathered calls after which they are sent at once. */
const OUTBOX_BYTES = 256 << 10;
/** Reads, with no write among them, after which they are sent at once. */
const READS_MAX = 128;

const json = new TextDecoder();

/** Tells the one who made a call what came of it. */
function answer({ resolve, reject, take }, isDone, reply) {
  try {
    if (isDone) return resolve(take ? take(reply) : reply);
    const { kind, message } = JSON.parse(json.decode(reply));
    reject(new EskerError(kind, message));
  } catch (error) {
    reject(error);
  }
}

/** Sends calls, and gives each its reply. */
export class Channel {
  #worker;
  #box = new Uint8Array(4096);
  #view = new DataView(this.#box.buffer);
  #length = 0;
  #calls = 0;
  /** Whether all gathered calls are a `get` or `has`. */
  #areReads = true;
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
    const keyLength = writeText(key, this.#box, place + 5);
    const valueLength = writeText(value, this.#box, place + 5 + keyLength);
    this.#box[place] = 1;
    this.#view.setUint32(place + 1, keyLength, true);
    return this.#post(code.put, target, 5 + keyLength + valueLength);
  }

  /** Sends a `get` or `has` of one key; gives what `take` makes of its reply. */
  read(number, target, key, take) {
    if (this.#refusal) return Promise.reject(this.#refusal);
    const isShort = typeof key === "string" && key.length <= 20000;
    const bytes = isShort ? null : keyOf(key);
    const place = this.#room(HEAD_LEN + (isShort ? 3 * key.length : bytes.length)) + HEAD_LEN;
    if (!isShort) this.#box.set(bytes, place);
    const length = isShort ? writeText(key, this.#box, place) : bytes.length;
    return this.#post(number, target, length, take);
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

  #post(number, target, length, take) {
    this.#box[this.#length] = number;
    this.#view.setUint32(this.#length + 1, target, true);
    this.#view.setUint32(this.#length + 5, length, true);
    this.#length += HEAD_LEN + length;
    this.#calls += 1;
    this.#areReads &&= take !== undefined;
    if (this.#calls === 1) queueMicrotask(() => this.#send());
    const reply = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject, take }));
    if (this.#length > OUTBOX_BYTES || (this.#areReads && this.#calls === READS_MAX)) this.#send();
    return reply;
  }

  #send() {
    if (this.#calls === 0 || this.#isEnded) return;
    const calls = this.#box.slice(0, this.#length);
    const areReads = this.#areReads;
    this.#length = 0;
    this.#calls = 0;
    this.#areReads = true;
    this.#worker.postMessage({ calls, areReads }, [calls.buffer]);
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
      const call = this.#waiting[this.#first];
      this.#waiting[this.#first++] = undefined;
      answer(call, kind === 0, replies.subarray(at + 5, end));
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
