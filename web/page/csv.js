// Records of a CSV file: the first field is the key, the rest the value.

/** The first field of a line, unquoted, and what stands behind its separator. */
function split(line, separator) {
  if (!line.startsWith('"')) {
    const at = line.indexOf(separator);
    return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
  }
  const match = /^"((?:[^"]|"")*)"/.exec(line);
  if (match === null) return null;
  return [match[1].replaceAll('""', '"'), line.slice(match[0].length + 1)];
}

/** Pairs of key and value, and the numbers of the lines that are none. */
export function recordsOf(text) {
  const lines = text.split(/\r?\n/);
  const separator = lines[0].includes("\t") && !lines[0].includes(",") ? "\t" : ",";
  const records = [];
  const wrong = [];
  lines.forEach((line, i) => {
    if (line === "") return;
    const record = split(line, separator);
    if (record === null || record[0] === "") wrong.push(i + 1);
    else records.push(record);
  });
  return { records, wrong };
}
