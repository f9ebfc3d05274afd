//! What the operating system says of this process and of the files of a database.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of pages that this process has made dirty, through calls or maps: what goes to the disk.
pub fn written_bytes() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

/// Bytes that this process had the storage read, through calls or maps; what the system still had in
/// memory does not count.
pub fn read_bytes() -> u64 {
    field("/proc/self/io", "read_bytes:")
}

/// Resident memory now, mapped files included.
pub fn resident_bytes() -> u64 {
    field("/proc/self/status", "VmRSS:") * 1024
}

/// The largest resident memory since [`reset_peak`], mapped files included.
pub fn peak_bytes() -> u64 {
    field("/proc/self/status", "VmHWM:") * 1024
}

/// Resident memory now that is not of mapped files.
pub fn anonymous_bytes() -> u64 {
    field("/proc/self/status", "RssAnon:") * 1024
}

/// Makes [`peak_bytes`] begin again from what is resident now.
pub fn reset_peak() {
    // Best effort: without it the peak is that of the whole process so far.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Bytes that the files under `folder` take on the disk; holes take none.
pub fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// Has the system drop what it holds in memory of the files under `folder`, which nobody may have
/// open: the next to read them reads the storage.
pub fn forget(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
            continue;
        }
        let file = fs::File::open(&path)?;
        file.sync_all()?;
        // SAFETY: the call reads and writes no memory of ours, and the descriptor is open.
        let code =
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        if code != 0 {
            return Err(std::io::Error::from_raw_os_error(code));
        }
    }
    Ok(())
}

/// Waits until this process has used no processor time for a while: for engines that do not tell
/// when their background is done.
#[allow(dead_code, reason = "not every set of features has such an engine")]
pub fn wait_until_idle() {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut quiet = 0;
    while quiet < 3 && Instant::now() < deadline {
        let before = processor_time();
        std::thread::sleep(Duration::from_millis(100));
        quiet = if processor_time() - before < Duration::from_millis(3) { quiet + 1 } else { 0 };
    }
}

/// Processor time of all threads so far.
pub fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec` to the place given, which is one.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    if done == 0 { Duration::new(time.tv_sec as u64, time.tv_nsec as u32) } else { Duration::ZERO }
}
