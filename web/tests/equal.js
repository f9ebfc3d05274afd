// Deep equality with a message, for node and for browsers.

function show(value) {
  return JSON.stringify(value, (_, inner) =>
    inner === undefined ? "undefined" : inner instanceof Uint8Array ? `bytes ${[...inner]}` : inner);
}

function same(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b) || a.constructor !== b.constructor) return false;
  const [keysOfA, keysOfB] = [Object.keys(a), Object.keys(b)];
  return keysOfA.length === keysOfB.length && keysOfA.every((key) => key in b && same(a[key], b[key]));
}

/** Throws unless both are the same, all the way down. */
export function equal(found, expected, what = "") {
  if (!same(found, expected)) throw new Error(`${what} expected ${show(expected)}, found ${show(found)}`);
}

/** The error that `work` throws or rejects with; throws if it does neither. */
export async function failure(work) {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("an error was expected");
}
