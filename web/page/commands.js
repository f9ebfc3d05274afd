// What buttons and the console do to the store; each command gives what is to be said about it.

import { count, show, size } from "./text.js";

const SHOWN = 20;

export const HELP =
  "put KEY VALUE · get KEY · delete KEY · scan [PREFIX] · flush · compact · stats · help. Quotes hold blanks: put \"a key\" \"a value\"";

/** The words of a line; quotes hold blanks together. */
export function wordsOf(line) {
  const words = [];
  for (const [, quoted, plain] of line.matchAll(/"([^"]*)"|(\S+)/g)) words.push(quoted ?? plain);
  return words;
}

function needKey(key, how) {
  if (key === undefined || key === "") throw new Error(`a key is needed: ${how}`);
}

const commands = {
  async put(store, key, value) {
    needKey(key, "put KEY VALUE");
    if (value === undefined) throw new Error("a value is needed: put KEY VALUE");
    await store.put(key, value);
    return `${show(key)} = ${show(value)}`;
  },
  async delete(store, key) {
    needKey(key, "delete KEY");
    await store.delete(key);
    return `${show(key)} is deleted: a tombstone is in the memtable`;
  },
  async get(store, key) {
    needKey(key, "get KEY");
    const value = await store.get(key, { as: "bytes" });
    return value === undefined ? `${show(key)} is not there` : `${show(key)} = ${show(value, 200)}`;
  },
  async scan(store, prefix = "") {
    const found = [];
    for await (const [key, value] of store.prefix(prefix, { as: "bytes", limit: SHOWN + 1 })) {
      found.push(`${show(key)} = ${show(value)}`);
    }
    if (found.length === 0) return `no key begins with “${prefix}”`;
    const more = found.length > SHOWN ? "\n… and more" : "";
    return found.slice(0, SHOWN).join("\n") + more;
  },
  async flush(store) {
    const { entries } = await store.memtable;
    await store.flush();
    return entries.length === 0 ? "the memtable is empty: nothing to flush" : `${count(entries.length)} entries are a table of level 0 now`;
  },
  async compact(store) {
    await store.compact();
    const tables = (await store.layout).filter(({ kind }) => kind === "table");
    const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
    return `everything is merged: ${tables.length} tables, ${size(bytes)}`;
  },
  async stats(store) {
    const { levels, ...rest } = await store.stats;
    const used = levels.filter(({ tables }) => tables > 0).map((level, i) => `level ${i}: ${level.tables} tables`);
    return [...used, ...Object.entries(rest).map(([name, value]) => `${name} ${value}`)].join("\n");
  },
  async help() {
    return HELP;
  },
};

/** Whether a command changes what the picture shows. */
export const changes = (name) => ["put", "delete", "flush", "compact"].includes(name);

/** Does the command that `words` are; gives what to say. */
export async function run(store, words) {
  const [name, ...rest] = words;
  const most = { put: 2, get: 1, delete: 1, scan: 1 }[name] ?? 0;
  if (!Object.hasOwn(commands, name)) throw new Error(`“${name}” is no command. ${HELP}`);
  if (rest.length > most) throw new Error(`too many words for ${name}; quotes hold blanks. ${HELP}`);
  return commands[name](store, ...rest);
}
