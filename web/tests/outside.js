// Files and directories from outside, dropped on the page by the browser's own means.

import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { everybody } from "./access.js";
import { equal } from "./equal.js";
import { SHIPPED, fixtures } from "./fixtures.js";
import { openPage, shoot } from "./page.js";

/** Drops files and folders of this machine in the middle of the page. */
async function drop(page, ...files) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: 200, y: 300, data });
  }
  await session.detach();
}

const heading = (page, name) => page.getByRole("heading", { name }).waitFor();
const message = (page, text) => page.locator("#message", { hasText: text }).waitFor();

async function lookUp(page, key, expected) {
  const view = page.locator("#table-view");
  await view.getByLabel("Key", { exact: true }).fill(key);
  await view.getByRole("button", { name: "Look up" }).click();
  await view.getByRole("status").getByText(expected).waitFor();
}

async function tables(page, folder) {
  await writeFile(join(folder, "notes.txt"), "no table at all");
  await drop(page, join(folder, "notes.txt"));
  await message(page, "notes.txt cannot be read as a table");
  await drop(page, join(SHIPPED, "leveldb-snappy.ldb"));
  await heading(page, /leveldb-snappy.ldb: a table of LevelDB/);
  equal(await page.locator("#message").isHidden(), true);
  await page.getByText("Entries", { exact: true }).click();
  await page.getByText(/^100 entries, and more/).waitFor();
  await page.getByRole("button", { name: "More entries" }).click();
  await page.getByText(/^200 entries/).waitFor();
  await drop(page, join(SHIPPED, "rocksdb-lz4-fv5.sst"));
  await heading(page, /rocksdb-lz4-fv5.sst: a table of RocksDB/);
}

/** A database of esker itself is told apart, and its tables are shown. */
async function ownDirectory(page, folder) {
  const files = await page.evaluate(async () => {
    const { openInMemory } = await import("./package/esker.js");
    const store = openInMemory();
    store.put("a", "1");
    store.flush();
    return store.files.map(({ name }) => [name, [...store.readFile(name)]]);
  });
  await mkdir(join(folder, "own"));
  for (const [name, bytes] of files) await writeFile(join(folder, "own", name), Uint8Array.from(bytes));
  await drop(page, join(folder, "own"));
  await message(page, "a database of esker; its tables can be opened one by one");
  await drop(page, join(folder, "own", files.find(([name]) => name.endsWith(".sstable"))[0]));
  await heading(page, /a table of esker/);
}

/** Directories that the project ships: several column families, several databases in one folder. */
async function shippedDirectories(page, folder) {
  await drop(page, join(SHIPPED, "rocksdb-families"));
  await heading(page, /rocksdb-families: a database of RocksDB/);
  const families = page.getByLabel("Column family");
  const other = (await families.locator("option").allTextContents()).find((name) => name !== "default");
  await everybody(page);
  await families.selectOption(other);
  await page.locator("#table-view dd", { hasText: other }).waitFor();
  await drop(page, SHIPPED);
  await page.getByRole("button", { name: /rocksdb-ranges/ }).click();
  await heading(page, /rocksdb-ranges: a database of RocksDB/);

  await mkdir(join(folder, "empty/inner"), { recursive: true });
  await drop(page, join(folder, "empty"));
  await message(page, "There is no file in it");
  await copyFile(join(folder, "notes.txt"), join(folder, "empty/inner/notes.txt"));
  await drop(page, join(folder, "empty"));
  await message(page, "holds no database and no table");
  await writeFile(join(folder, "empty/inner/CURRENT"), "elsewhere\n");
  await drop(page, join(folder, "empty"));
  await message(page, "inner cannot be read as a database");
}

async function fixtureDirectories(page, folder) {
  const directory = (name) => join(folder, name, "db");
  await drop(page, directory("ldb-plyvel-snappy-levels"));
  await heading(page, /db: a database of LevelDB/);
  equal(await page.locator("#table-view .lane .segment").count() > 0, true, "tables in levels");
  await page.getByText(/^100 entries, and more/).waitFor();
  await shoot(page, "database", "#bytes");
  await page.locator("#table-view .segment").first().click();
  await heading(page, /\.ldb: a table of LevelDB/);

  await drop(page, directory("ldb-plyvel-tombstones"));
  await page.getByText(/^1 entries$/).waitFor();
  await lookUp(page, "t003999x", "t003999x = survivor");
  await lookUp(page, "nobody", "nobody is not there");
  await page.getByLabel(/deletes and old versions/).check();
  await page.locator("#table-view").getByRole("button", { name: "List from here" }).click();
  await page.locator("#table-view").getByLabel("Key", { exact: true }).fill("");
  await page.locator("#table-view").getByRole("button", { name: "List from here" }).click();
  await page.locator("#table-view i", { hasText: "deleted" }).first().waitFor();

  // Nobody knows this order: it is listed byte by byte, and says so.
  await drop(page, directory("chromium-indexeddb"));
  await page.locator(".notices", { hasText: "not in the order of \"idb_cmp1\"" }).waitFor();
  await page.getByLabel("Open a directory").setInputFiles(directory("ldb-plyvel-multi-version"));
  await page.locator(".notices").waitFor({ state: "detached" });
  await heading(page, /db: a database of LevelDB/);
}

/** Drops whatever can be dropped. */
export async function dropOutside(page, address) {
  const folder = await mkdtemp(join(tmpdir(), "esker-drop-"));
  try {
    await openPage(page, address);
    await tables(page, folder);
    await ownDirectory(page, folder);
    await shippedDirectories(page, folder);
    const found = fixtures();
    if (found) await fixtureDirectories(page, found);
    return found ? "with fixtures" : "without fixtures";
  } finally {
    await rm(folder, { recursive: true });
  }
}
