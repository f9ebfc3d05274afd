// Keys, values and sizes as people read them; elements in one line.

const strict = new TextDecoder("utf-8", { fatal: true });

/** Bytes as text where they are text, else as hexadecimal digits. */
export function show(bytes, most = 48) {
  if (typeof bytes === "string") bytes = new TextEncoder().encode(bytes);
  let text;
  try {
    text = strict.decode(bytes);
    if (/[\p{Cc}\p{Cn}]/u.test(text)) throw new Error("not printable");
  } catch {
    text = `hex:${[...bytes.subarray(0, most)].map(hexByte).join("")}`;
  }
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

export const hexByte = (byte) => byte.toString(16).padStart(2, "0");

/** The bytes that a person wrote as text, or as `show` shows them: `hex:00ff`. */
export function keyFrom(text) {
  const digits = /^hex:((?:[0-9a-f]{2})*)$/i.exec(text)?.[1];
  if (digits === undefined) return new TextEncoder().encode(text);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** A number of bytes with its unit. */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1 << 20) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

export const count = (number) => number.toLocaleString("en");

/** An element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}
