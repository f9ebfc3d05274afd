//! Whether a process has a database open, told without taking its lock.

use std::path::Path;

/// Where Linux lists the locks of all processes.
#[cfg(target_os = "linux")]
const LOCKS: &str = "/proc/locks";

/// The process that holds the lock of the database at `path`; `None` if none does, or where that
/// cannot be told.
#[cfg(target_os = "linux")]
pub(crate) fn process(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let lock = std::fs::metadata(path.join("LOCK")).ok()?;
    let held = std::fs::read_to_string(LOCKS).ok()?;
    let inode = format!(":{}", lock.ino());
    // `1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`: the process, and device and inode.
    held.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "WRITE").skip(1);
        let process = words.next()?.parse().ok()?;
        words.next()?.ends_with(&inode).then_some(process)
    })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn process(_: &Path) -> Option<u32> {
    None
}
