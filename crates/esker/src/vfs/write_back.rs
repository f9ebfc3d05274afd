//! Files that go to the disk while they are written, so that their sync has little to wait for.
//!
//! # Invariants
//! - **W1** The call is one on an open file, and changes no byte of it.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;

/// Lets the system begin to write back those bytes of `file` that it keeps in memory. That promises
/// nothing. It may wait for room in the disk's queue, not for the disk. On Linux; elsewhere, and on
/// file systems that cannot, nothing happens.
///
/// # Errors
/// What the system says: that bytes found no place on the disk, say. They may have gone from its
/// memory then, so that a sync finds nothing to complain of: it must not be asked.
#[cfg(target_os = "linux")]
pub(super) fn begin_write_back(file: &File, bytes: Range<u64>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let (start, len) = (bytes.start as _, (bytes.end - bytes.start) as _);
    loop {
        // SAFETY: by W1.
        let failed = unsafe {
            libc::sync_file_range(file.as_raw_fd(), start, len, libc::SYNC_FILE_RANGE_WRITE)
        };
        if failed == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ENOSYS | libc::EINVAL) => return Ok(()),
            _ => return Err(error),
        }
    }
}

/// As above.
#[cfg(not(target_os = "linux"))]
pub(super) fn begin_write_back(_: &File, _: Range<u64>) -> io::Result<()> {
    Ok(())
}
