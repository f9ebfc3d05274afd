//! `cargo xtask tidy`: the rules of the house that neither rustc nor clippy checks.
//!
//! Each rule takes a file's path and text and gives what is wrong, so that it can be tested on a
//! bad sample.

mod layers;
mod rules;
#[cfg(test)]
mod tests;

use crate::steps::root;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are searched for sources.
const SOURCES: &[&str] = &["crates", "xtask", "fuzz/fuzz_targets"];

/// Sizes that may stay above their bound but not grow.
const EXCEPTIONS: &str = "xtask/tidy-exceptions.txt";

pub fn run() -> Result<(), String> {
    let root = root();
    let exceptions = fs::read_to_string(root.join(EXCEPTIONS)).unwrap_or_default();
    let format = fs::read_to_string(root.join("docs/format.md")).map_err(|e| e.to_string())?;
    let mut files = Vec::new();
    for folder in SOURCES {
        collect(&root.join(folder), "rs", &mut files);
    }
    let mut wrong = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let path = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().into_owned();
        wrong.extend(layers::check(&path, &text));
        wrong.extend(rules::check(&path, &text, &exceptions));
        wrong.extend(rules::anchors(&path, &text, &format));
    }
    let mut texts = Vec::new();
    collect(&root.join("docs/rfcs"), "md", &mut texts);
    for file in &texts {
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        wrong.extend(rules::rfc(&file.to_string_lossy(), &text));
    }
    wrong.extend(crate::mutations::stale());
    if wrong.is_empty() {
        println!("tidy: {} files in order", files.len() + texts.len());
        return Ok(());
    }
    Err(format!("tidy: {} things to mend\n{}", wrong.len(), wrong.join("\n")))
}

/// All files below `folder` whose name ends with `extension`.
fn collect(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, extension, files);
            }
        } else if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
}
