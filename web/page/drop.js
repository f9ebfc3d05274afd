// Files from outside: dropped, or chosen; folders with all that is in them.

const DEPTH_MAX = 8;
const FILES_MAX = 20000;

const readAll = async (directory) => {
  const reader = directory.createReader();
  const all = [];
  for (;;) {
    // It gives a hundred or so at a time, and nothing at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
};

async function walk(entry, folder, depth, found) {
  if (found.length >= FILES_MAX) throw new Error(`${entry.name}: more than ${FILES_MAX} files. Drop the folder of one database.`);
  if (entry.isFile) {
    found.push({ folder, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
  } else if (depth < DEPTH_MAX) {
    const inner = folder === "" ? entry.name : `${folder}/${entry.name}`;
    for (const child of await readAll(entry)) await walk(child, inner, depth + 1, found);
  }
}

/** What was dropped: each file with the folder that it lies in, "" if it was dropped itself. */
export async function dropped(transfer) {
  // Both are only there until this task ends, so they are taken first.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files].map((file) => ({ folder: "", file }));
  if (entries.length === 0) return files;
  const found = [];
  for (const entry of entries) await walk(entry, "", 0, found);
  return found;
}

/** What was chosen in a dialog, in the same form. */
export function chosen(input) {
  return [...input.files].map((file) => ({
    folder: file.webkitRelativePath.split("/").slice(0, -1).join("/"), file,
  }));
}
