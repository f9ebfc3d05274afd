//! `cargo xtask mutations`: deliberate faults in the engine, one at a time, each of which a test
//! must find. They are patches in `crates/esker-sim/mutations`; each begins with what it does and
//! the test that finds it.

use crate::steps::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

const FOLDER: &str = "crates/esker-sim/mutations";
/// Where a changed copy of the sources is built, from the root.
const TREE: &str = "target/mutations/tree";
/// What of the sources a build needs.
const PARTS: &[&str] = &["Cargo.toml", "Cargo.lock", "clippy.toml", "crates", "xtask", "docs"];
/// A test that has found nothing by then hangs: the fault lets somebody wait for ever.
const HANGS_AFTER: &str = "1200";
/// What `timeout` ends with then.
const OVERDUE: i32 = 124;

/// A fault, from its patch.
struct Mutation {
    path: PathBuf,
    name: String,
    what: String,
    test: String,
}

/// All faults, in order of name.
fn all() -> Result<Vec<Mutation>, String> {
    let entries = fs::read_dir(root().join(FOLDER)).map_err(|e| format!("{FOLDER}: {e}"))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "patch"));
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Result<Mutation, String> {
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        line.map(str::to_string).ok_or_else(|| format!("{}: no line \"{name}\"", path.display()))
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Mutation { what: field("what:")?, test: field("found by:")?, name, path })
}

/// Applies the patch at `path` below `directory`, or only says whether it applies.
fn apply(path: &Path, directory: Option<&str>) -> Result<(), String> {
    let mut command = Command::new("git");
    command.args(["apply", "-C1", "--recount", "--whitespace=nowarn"]);
    match directory {
        Some(directory) => command.arg(format!("--directory={directory}")),
        None => command.arg("--check"),
    };
    let output = command.arg(path).current_dir(root()).output().map_err(|e| format!("git: {e}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{}: {why}", path.display())) }
}

/// The patches that no longer fit the engine, or lack a heading.
pub fn stale() -> Vec<String> {
    match all() {
        Ok(all) => all.iter().filter_map(|one| apply(&one.path, None).err()).collect(),
        Err(error) => vec![error],
    }
}

/// Puts each fault that has `only` in its name into a copy of the sources, and runs its test there.
///
/// # Errors
/// The faults that no test has found, or that could not be tried.
pub fn run(only: &str) -> Result<(), String> {
    let mut survivors = Vec::new();
    for mutation in all()?.iter().filter(|one| one.name.contains(only)) {
        copy_sources()?;
        apply(&mutation.path, Some(TREE))?;
        built(mutation)?;
        let start = Instant::now();
        let found = find(mutation)?;
        let seconds = start.elapsed().as_secs_f32();
        let verdict = found.as_deref().unwrap_or("NOT FOUND");
        println!("{}: {} ({seconds:.1} s): {verdict}", mutation.name, mutation.what);
        if found.is_none() {
            survivors.push(mutation.name.clone());
        }
    }
    if survivors.is_empty() { Ok(()) } else { Err(format!("not found: {}", survivors.join(", "))) }
}

fn copy_sources() -> Result<(), String> {
    let tree = root().join(TREE);
    let _ = fs::remove_dir_all(&tree);
    fs::create_dir_all(&tree).map_err(|e| e.to_string())?;
    let mut command = Command::new("cp");
    let output = command.arg("-r").args(PARTS).arg(&tree).current_dir(root()).output();
    let output = output.map_err(|e| format!("cp: {e}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("cp: {why}")) }
}

fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command
        .args([HANGS_AFTER, "cargo", "test", "--package", "esker-sim", "--test", "it"])
        .args(words);
    command.current_dir(root().join(TREE));
    command.env("CARGO_TARGET_DIR", root().join("target/mutations/target"));
    command
}

/// A fault that does not compile proves nothing.
fn built(mutation: &Mutation) -> Result<(), String> {
    let output = cargo(&["--no-run"]).output().map_err(|e| format!("cargo: {e}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{}: {why}", mutation.name)) }
}

/// How the test of `mutation` failed, if it did.
fn find(mutation: &Mutation) -> Result<Option<String>, String> {
    let mut command = cargo(&[&mutation.test, "--", "--nocapture"]);
    let output: Output = command.output().map_err(|e| format!("cargo: {e}"))?;
    if output.status.code() == Some(OVERDUE) {
        return Ok(Some("it hangs".into()));
    }
    if output.status.success() {
        return Ok(None);
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let told = text.lines().find(|line| line.contains("breaks a promise"));
    let panicked = text.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
    let how = told.or(panicked).unwrap_or("the test fails");
    Ok(Some(how.trim().to_string()))
}
