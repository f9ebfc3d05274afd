// The package as npm has it: its files, its types, its size, the examples of its README.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { gzipSync } from "node:zlib";
import ts from "typescript";
import * as esker from "../package/esker.js";
import { Snapshot, Store } from "../package/client.js";
import { SHIPPED, filesIn } from "./fixtures.js";

/** Most bytes of all that a browser loads. */
const GZIP_BYTES_MAX = 400 * 1024;

const PACKAGE = join(import.meta.dirname, "../package");
const HERE = join(import.meta.dirname, "types.ts");
const OPTIONS = {
  strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext, types: [],
};

const program = ts.createProgram([HERE], OPTIONS);
const checker = program.getTypeChecker();
const declared = checker.getExportsOfModule(
  checker.getSymbolAtLocation(program.getSourceFile(join(PACKAGE, "esker.d.ts"))));

test("the types allow what they should and nothing else", () => {
  const found = ts.getPreEmitDiagnostics(program);
  const text = ts.formatDiagnostics(found, {
    getCanonicalFileName: (name) => name, getCurrentDirectory: () => PACKAGE, getNewLine: () => "\n",
  });
  assert.equal(text, "");
});

/** The names that the types give to the members of an interface. */
function membersOf(name) {
  const symbol = declared.find((found) => found.name === name);
  const members = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol));
  return members.map((member) => member.name).filter((name) => !name.startsWith("__@")).sort();
}

/** The names of what an object really has, without what is private by a `_`. */
function namesOf(object) {
  const names = new Set(Object.keys(object));
  for (let at = Object.getPrototypeOf(object); at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  return [...names].filter((name) => name !== "constructor" && !name.startsWith("_")).sort();
}

test("the types name what is there, all of it", async () => {
  const values = declared.filter(({ flags }) => flags & ts.SymbolFlags.Value).map(({ name }) => name);
  assert.deepEqual(values.sort(), Object.keys(esker).sort());
  const store = esker.openInMemory();
  assert.deepEqual(namesOf(store), membersOf("MemoryStore"));
  store.put("a", "1");
  store.flush();
  const [{ file }] = store.segments;
  assert.deepEqual(namesOf(esker.openTable(store.readFile(file))), membersOf("Table"));
  const files = await filesIn(join(SHIPPED, "rocksdb-families"));
  assert.deepEqual(namesOf(esker.openDatabase(files)), membersOf("Database"));
  assert.deepEqual(Object.keys(store.stats).sort(), membersOf("Stats"));
  assert.deepEqual(Object.keys(store.layout[0]).sort(), membersOf("Part"));
  assert.deepEqual(Object.keys(store.explain("a")[0]).sort(), membersOf("Step"));
  // A persistent store has its name and what its log gave beside what its class has.
  const persistent = [...namesOf(Object.create(Store.prototype)), "name", "recoveredWrites"];
  assert.deepEqual(persistent.sort(), membersOf("Store"));
  const onSnapshots = namesOf(Object.create(Snapshot.prototype));
  assert.deepEqual(onSnapshots.filter((name) => !persistent.includes(name)), []);
});

test("npm packs what is needed, and it works where it is installed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "esker-npm-"));
  const npm = (...words) => execFileSync("npm", words, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [{ files, filename }] = JSON.parse(npm("pack", "--json", PACKAGE));
    assert.deepEqual(files.map(({ path }) => path).sort(), [
      "LICENSE-APACHE", "LICENSE-MIT", "README.md", "channel.js", "client.js", "database.js", "engine.js", "esker.d.ts",
      "esker.js", "esker.wasm", "memory.js", "package.json", "reader.js", "segments.js", "table.js", "worker.js",
    ]);
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    npm("install", "--offline", "--no-audit", "--no-fund", `./${filename}`);
    const [example] = (await examples()).filter((code) => !code.includes("open({"));
    await writeFile(join(folder, "example.js"), example);
    const { stdout, stderr } = spawnSync("node", ["example.js"], { cwd: folder, encoding: "utf8" });
    assert.equal(stderr, "");
    assert.equal(stdout, "[ [ 'a', '1' ], [ 'b', '2' ] ]\nundefined\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** The examples of the package's README. */
async function examples() {
  const text = await readFile(join(PACKAGE, "README.md"), "utf8");
  return Array.from(text.matchAll(/```js\n(.*?)```/gs), ([, code]) => code);
}

test("what a browser loads is small", async () => {
  const loaded = (await filesIn(PACKAGE)).filter(([name]) => /\.(js|wasm)$/.test(name));
  const sizes = loaded.map(([, bytes]) => gzipSync(bytes, { level: 9 }).length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(loaded.length > 5 && total < GZIP_BYTES_MAX, `${total} bytes gzipped`);
});
