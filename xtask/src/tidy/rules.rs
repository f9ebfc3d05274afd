//! Rules on single files: headers, sizes, seams, words.

use super::layers::code_lines;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

/// Files that may hold `unsafe`.
const UNSAFE_FILES: &[&str] = &[
    "crates/esker/src/vfs/fork.rs",
    "crates/esker/src/vfs/priority.rs",
    "crates/esker/src/vfs/write_back.rs",
    "crates/esker/src/vfs/map.rs",
    "crates/esker/src/vfs/log_map.rs",
    "crates/esker/src/base/chunk.rs",
    "crates/esker/src/base/current.rs",
    "crates/esker/src/base/prefetch.rs",
    "crates/esker/src/base/region.rs",
    "crates/esker/src/cache/block.rs",
    "crates/esker/src/cache/segment.rs",
    "crates/esker/src/memtable/arena.rs",
    "crates/esker/src/memtable/record.rs",
    "crates/esker/src/memtable/node.rs",
    "crates/esker/src/memtable/tree.rs",
    "crates/esker/src/memtable/cursor.rs",
    "crates/esker/tests/it/processes.rs",
    "crates/esker-wasm/src/abi.rs",
];

/// Files that may touch the machine past the `vfs`.
const MACHINE_FILES: &[&str] = &[
    "crates/esker/src/vfs/os.rs",
    "crates/esker/src/vfs/map.rs",
    "crates/esker/src/vfs/log_map.rs",
    "crates/esker/src/vfs/write_back.rs",
    "crates/esker/src/base/sync.rs",
    "crates/esker/src/vfs/turns.rs",
    "crates/esker/src/db/background.rs",
];

/// What of the machine only those may name.
const MACHINE: &[&str] = &["std::fs", "std::thread", "SystemTime", "Instant::now", "std::env"];

/// Words that no file may hold; spelt in two parts, so that this one does not.
const WORDS: &[(&str, &str)] =
    &[("FIX", "ME"), ("to", "do!("), ("db", "g!("), ("doc(", "hidden)"), ("/wo", "rk/")];

const STATUSES: &[&str] = &["proposed", "accepted", "rejected", "superseded"];

/// What is wrong with the file at `path`.
pub fn check(path: &str, text: &str, exceptions: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_test = path.contains("/tests") || path.ends_with("tests.rs");
    if !text.starts_with("//!") && !text.starts_with("#![no_main]\n//!") {
        wrong.push(format!("{path}:1: does not open with //!"));
    }
    for (number, line) in text.lines().enumerate() {
        if line.chars().count() > LINE_COLUMNS_MAX {
            wrong.push(format!("{path}:{}: longer than {LINE_COLUMNS_MAX} columns", number + 1));
        }
        for (start, end) in WORDS {
            if line.contains(&format!("{start}{end}")) {
                wrong.push(format!("{path}:{}: holds {start}{end}", number + 1));
            }
        }
    }
    if !is_test {
        wrong.extend(sizes(path, text, exceptions));
        wrong.extend(seams(path, text));
    }
    wrong
}

fn sizes(path: &str, text: &str, exceptions: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = text.lines().count();
    let allowed = exceptions.lines().find_map(|line| line.strip_prefix(path)?.trim().parse().ok());
    let most = allowed.unwrap_or(FILE_LINES_MAX);
    if lines > most {
        wrong.push(format!("{path}: {lines} lines, at most {most}"));
    }
    let all: Vec<&str> = text.lines().collect();
    for (start, line) in all.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let is_function = line.contains("fn ") && !line.trim_start().starts_with("//");
        if !is_function {
            continue;
        }
        let closes = |l: &str| l.len() == indent + 1 && l.ends_with('}');
        let lines = all[start..].iter().position(|l| closes(l)).map_or(0, |length| length + 1);
        if lines > FUNCTION_LINES_MAX && !line.ends_with(';') {
            wrong.push(format!("{path}:{}: function of {lines} lines", start + 1));
        }
    }
    wrong
}

fn seams(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let in_engine = path.starts_with("crates/esker/src/");
    for (number, line) in code_lines(text) {
        if path.starts_with("crates/")
            && line.contains("allow(unsafe_code)")
            && !UNSAFE_FILES.contains(&path)
        {
            wrong.push(format!("{path}:{number}: unsafe outside the files that may hold it"));
        }
        if in_engine && !MACHINE_FILES.contains(&path) {
            for name in MACHINE.iter().filter(|name| line.contains(**name)) {
                wrong.push(format!("{path}:{number}: {name} outside vfs"));
            }
        }
        if in_engine && is_disk_constant(line) && !path.ends_with("/format.rs") {
            wrong.push(format!("{path}:{number}: an on-disk constant outside a format.rs"));
        }
    }
    wrong
}

/// Whether `line` defines a constant with a name that on-disk constants have.
fn is_disk_constant(line: &str) -> bool {
    let Some((before, after)) = line.split_once("const ") else { return false };
    let Some((name, _)) = after.split_once(':') else { return false };
    let is_item = before.trim().is_empty() || before.trim_start().starts_with("pub");
    is_item && (name.contains("MAGIC") || name.ends_with("_AT") || name.contains("FORMAT_VERSION"))
}

/// Headings of `docs/format.md` that the file at `path` cites and that are not there; and format
/// modules that cite none.
pub fn anchors(path: &str, text: &str, format: &str) -> Vec<String> {
    let headings: Vec<String> = format
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    let mut cited = 0;
    let mut wrong = Vec::new();
    if path.starts_with("xtask/") {
        return wrong;
    }
    for (number, line) in text.lines().enumerate() {
        for rest in line.split("docs/format.md#").skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '-').unwrap_or(rest.len());
            cited += 1;
            if !headings.iter().any(|heading| heading == &rest[..end]) {
                wrong.push(format!("{path}:{}: no heading {}", number + 1, &rest[..end]));
            }
        }
    }
    if cited == 0 && path.starts_with("crates/esker/src/") && path.ends_with("/format.rs") {
        wrong.push(format!("{path}: cites no heading of docs/format.md"));
    }
    wrong
}

/// What is wrong with the RFC at `path`.
pub fn rfc(path: &str, text: &str) -> Vec<String> {
    let status = text.lines().find_map(|line| line.strip_prefix("Status: "));
    match status {
        Some(status) if STATUSES.contains(&status.trim()) => Vec::new(),
        found => vec![format!("{path}: status {found:?} is none of {STATUSES:?}")],
    }
}
