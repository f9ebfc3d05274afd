//! Files that go to the disk while they are written, so that their sync has little to wait for.
//!
//! # Invariants
//! - **S1** The call is one on an open file, and changes no byte of it.
#![allow(unsafe_code)]

use std::fs::File;

/// Lets the system begin to write back what of `file` it keeps in memory. That promises nothing,
/// and tells of no failure: the sync does, of these bytes too. On Linux; elsewhere nothing happens.
pub(super) fn begin_write_back(file: &File) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        // SAFETY: by S1. If it is refused, the sync has more to do.
        let _ =
            unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}
