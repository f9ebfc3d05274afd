// Directories of other engines: those that the project ships, and fixtures beside the checkout.

import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Tables and directories that the project ships. */
export const SHIPPED = join(ROOT, "crates/esker-foreign/testdata");

/** The fixtures' folder, or null where there is none. */
export function fixtures() {
  const folder = process.env.ESKER_FIXTURES ?? join(ROOT, "../shared/fixtures");
  if (existsSync(folder)) return folder;
  console.log(`SKIPPED: no fixtures at ${folder}; ESKER_FIXTURES names them`);
  return null;
}

/** The files of a directory, as pairs of name and bytes. */
export async function filesIn(folder) {
  const names = await readdir(folder);
  return Promise.all(names.map(async (name) => [name, new Uint8Array(await readFile(join(folder, name)))]));
}
