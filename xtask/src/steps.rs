//! Runs programs and says so.

use std::path::PathBuf;
use std::process::Command;

/// The command, from the root.
pub const ESKER: &str = "target/release/esker";

/// The root of the checkout.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Runs `line`, words apart by spaces, in the root, with more environment variables.
pub fn run(line: &str, environment: &[(&str, &str)]) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let shown: String = environment.iter().map(|(k, v)| format!("{k}={v} ")).collect();
    println!("\n$ {shown}{line}");
    let status = Command::new(program)
        .args(words)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .map_err(|e| format!("{program}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
}

/// Installs from Debian what is missing: pairs of a command that shows that it is there, and the
/// packages that bring it.
pub fn install(packages: &[(&str, &str)]) -> Result<(), String> {
    let missing = packages.iter().filter(|(check, _)| !succeeds(check));
    let names: Vec<&str> = missing.map(|(_, names)| *names).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(" ");
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !is_root {
        return Err(format!("as root, install what is missing: apt-get install {names}"));
    }
    run("apt-get update", &[])?;
    run(&format!("apt-get install -y --no-install-recommends {names}"), &[])
}

/// Whether `line` runs and succeeds; its output is not shown.
pub fn succeeds(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap_or_default()).args(words).output();
    output.is_ok_and(|output| output.status.success())
}
