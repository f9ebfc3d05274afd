//! Other programs, and this one again.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output};
use std::time::{Duration, Instant};

/// This program.
///
/// # Errors
/// The system does not say.
pub fn this() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|e| format!("this program: {e}"))
}

/// Runs `line`, words apart by spaces; its standard output.
///
/// # Errors
/// What it says, if it fails.
pub fn run(line: &str) -> Result<String, String> {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap_or_default()).args(words).output();
    let output = output.map_err(|e| format!("{line}: {e}"))?;
    succeeded(line, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// # Errors
/// What the program said, if it failed.
pub fn succeeded(line: &str, output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{line}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

/// Waits for `child` to end, but not longer than `limit`; then it is killed, and `None`.
///
/// # Errors
/// Those of the system.
pub fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, String> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Ok(Some(status));
        }
        if Instant::now() > until {
            child.kill().map_err(|e| e.to_string())?;
            child.wait().map_err(|e| e.to_string())?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
