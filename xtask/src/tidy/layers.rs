//! Imports of the engine point strictly downwards.

/// Modules of `crates/esker/src`, lowest first; those of one row do not know each other.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["vfs", "block", "filter", "frame", "memtable", "batch"],
    &["index", "record", "cache"],
    &["table", "log"],
    &["sorter", "version"],
    &["manifest", "cursor"],
    &["compaction"],
    &["db"],
];

const FOLDER: &str = "crates/esker/src/";

/// What of the file at `path` imports upwards or sideways, or has no layer.
pub fn check(path: &str, text: &str) -> Vec<String> {
    let Some(inside) = path.strip_prefix(FOLDER) else { return Vec::new() };
    let module = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    // Tests may use the public face, as users do.
    if module == "lib" || path.ends_with("tests.rs") {
        return Vec::new();
    }
    let Some(from) = layer(module) else { return vec![format!("{path}: {module} has no layer")] };
    let mut wrong = Vec::new();
    for (number, line) in code_lines(text) {
        for used in used_modules(line) {
            if used == module || used.starts_with(char::is_uppercase) {
                continue;
            }
            match layer(used) {
                Some(to) if to < from => {}
                Some(to) => wrong.push(format!(
                    "{path}:{number}: {module} (layer {from}) imports {used} (layer {to})"
                )),
                None => wrong.push(format!("{path}:{number}: {used} has no layer")),
            }
        }
    }
    wrong
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// Lines with their numbers, comments left out.
pub fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The names that follow `crate::` in `line`.
fn used_modules(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}
