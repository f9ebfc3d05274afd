//! A file that is written through a memory map: a write is a copy, without a system call.
//!
//! What is copied belongs to the operating system at once, as with `write(2)`: it survives the end
//! of the process. A window of the file is mapped at a time. Its blocks are reserved before, so
//! that a full disk is an error of the reservation and not a signal at the copy. That holds where
//! a block is written again in its place; a file system that writes elsewhere, such as btrfs, needs
//! room for each change of a page, and raises SIGBUS where there is none. There, and where the file
//! system cannot reserve, the file is written by system calls.
//!
//! # Invariants
//! - **W1** The mapped part lies within the file, which nobody cuts short: the file is open for
//!   writing in a directory whose lock we hold.
#![allow(unsafe_code)]

use super::WriteAt;
use memmap2::{MmapMut, MmapOptions};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

/// Bytes of the first window, and of the largest; each is twice the one before. A window counts as
/// memory of the process, and the first sync of one waits for all of it.
const WINDOW_BYTES_MIN: u64 = 256 << 10;
const WINDOW_BYTES_MAX: u64 = 1 << 20;
/// What new blocks are filled with, a piece at a time. So the page cache has them in pieces of this
/// size before the map touches them (for each MiB 0.6 ms instead of 1.9; 3 ms with twice the size,
/// measured), and a sync need not say that blocks which were only reserved are written now (380
/// against 47 microseconds).
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// The pieces of what is reserved in small steps, as it is where the file is written by calls: a
/// sync writes back all of a piece of which a byte was changed (66 KB for a record of 160 bytes,
/// measured).
const PAGE_BYTES: usize = 4 << 10;
/// Writes between two syncs below which they are made by system calls: what is changed through a
/// map is written back in pieces as large as the page cache has them (48 KiB for a record of 150
/// bytes, measured), what is written by a call in blocks.
const WRITES_FEW: u32 = 64;

/// File systems that write a block again in its place, by the number that `fstatfs` gives: ext2 to
/// ext4, XFS (a log shares no block), tmpfs.
const IN_PLACE: [i64; 3] = [0xef53, 0x5846_5342, 0x0102_1994];

/// Whether a block of `file` that was reserved can always be written.
fn is_in_place(file: &File) -> bool {
    let mut system = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: a call on an open file, with room for its answer.
    let failed = unsafe { libc::fstatfs(file.as_raw_fd(), system.as_mut_ptr()) };
    // SAFETY: plain numbers, of which all were set to zero before.
    let system = unsafe { system.assume_init() };
    failed == 0 && IN_PLACE.into_iter().any(|number| system.f_type == number as _)
}

/// A file written through a map.
pub(super) struct MappedFile {
    file: File,
    window: Mutex<Window>,
}

struct Window {
    start: u64,
    map: Option<MmapMut>,
    next_bytes: u64,
    /// Writes since the last sync.
    writes: u32,
    /// Up to where blocks are reserved, if the file is written by calls for now.
    reserved: Option<u64>,
    /// The file system cannot reserve or map, or what is reserved does not suffice.
    is_plain: bool,
}

impl MappedFile {
    pub(super) fn new(file: File) -> MappedFile {
        let is_plain = !is_in_place(&file);
        let window = Window {
            start: 0,
            map: None,
            next_bytes: WINDOW_BYTES_MIN,
            writes: 0,
            reserved: None,
            is_plain,
        };
        MappedFile { file, window: Mutex::new(window) }
    }

    /// Maps a window that begins at or shortly before `offset`.
    fn advance(&self, window: &mut Window, offset: u64) -> io::Result<()> {
        window.map = None;
        let start = offset - offset % WINDOW_BYTES_MIN;
        let bytes = window.next_bytes;
        window.next_bytes = (bytes * 2).min(WINDOW_BYTES_MAX);
        self.reserve_or_go_plain(window, start, bytes)?;
        if window.is_plain {
            return Ok(());
        }
        let mut options = MmapOptions::new();
        // SAFETY: by W1; and the map is written by us alone, under the lock of the window.
        match unsafe { options.offset(start).len(bytes as usize).map_mut(&self.file) } {
            Ok(map) => (window.start, window.map) = (start, Some(map)),
            Err(_) => window.is_plain = true,
        }
        Ok(())
    }

    /// Writes by a system call, into blocks that are reserved.
    fn write_by_call(&self, window: &mut Window, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        if let Some(reserved) = window.reserved.filter(|&reserved| reserved < end) {
            let until = end.next_multiple_of(WINDOW_BYTES_MIN);
            self.reserve_or_go_plain(window, reserved, until - reserved)?;
            window.reserved = Some(until);
        }
        self.file.write_all_at(bytes, offset)
    }

    /// As [`MappedFile::reserve`]; where that cannot be, the file is plain from now on.
    fn reserve_or_go_plain(&self, window: &mut Window, start: u64, bytes: u64) -> io::Result<()> {
        let unsupported = [libc::EOPNOTSUPP, libc::ENOSYS, libc::EINVAL];
        match self.reserve(start, bytes) {
            Err(e) if e.raw_os_error().is_some_and(|code| unsupported.contains(&code)) => {
                window.is_plain = true;
                Ok(())
            }
            result => result,
        }
    }

    /// Sees to it that bytes from `start` on have blocks on the disk, and pages in memory.
    fn reserve(&self, start: u64, bytes: u64) -> io::Result<()> {
        let len = self.file.metadata()?.len();
        if len >= start + bytes {
            return Ok(());
        }
        // SAFETY: a call on an open file with plain numbers.
        let failed = unsafe {
            libc::fallocate(self.file.as_raw_fd(), 0, start as libc::off_t, bytes as libc::off_t)
        };
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        let most = if bytes > WINDOW_BYTES_MIN { ZEROS.len() } else { PAGE_BYTES };
        let mut from = len.max(start);
        while from < start + bytes {
            let piece = most.min((start + bytes - from) as usize);
            self.file.write_all_at(&ZEROS[..piece], from)?;
            from += piece as u64;
        }
        Ok(())
    }
}

impl WriteAt for MappedFile {
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            if window.is_plain {
                return self.file.write_all_at(bytes, offset);
            }
            window.writes += 1;
            if window.writes > WRITES_FEW {
                window.reserved = None;
            }
            if window.reserved.is_some() {
                return self.write_by_call(&mut window, bytes, offset);
            }
            let Window { start, map, .. } = &mut *window;
            let at = offset.checked_sub(*start).map(|at| at as usize);
            let place = map.as_mut().zip(at).and_then(|(map, at)| map.get_mut(at..));
            match place {
                Some(place) if !place.is_empty() => {
                    let len = place.len().min(bytes.len());
                    place[..len].copy_from_slice(&bytes[..len]);
                    bytes = &bytes[len..];
                    offset += len as u64;
                }
                _ => self.advance(&mut window, offset)?,
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let writes = std::mem::take(&mut window.writes);
        if writes <= WRITES_FEW
            && let Some(map) = window.map.take()
        {
            window.reserved = Some(window.start + map.len() as u64);
        }
        drop(window);
        // Writes back what was changed through the map too, on Linux.
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// procfs stands for all that is not known to write in place. Where the directory for temporary
    /// files is on one that is known, the file must be mapped.
    #[test]
    fn only_file_systems_that_write_in_place_are_mapped() {
        assert!(!is_in_place(&File::open("/proc/self/status").unwrap()));
        let file = tempfile::tempfile().unwrap();
        let is_known = is_in_place(&file);
        let mapped = MappedFile::new(file);
        mapped.write_all_at(b"abc", 0).unwrap();
        mapped.write_all_at(b"d", 3).unwrap();
        let mut bytes = [0; 4];
        mapped.file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"abcd");
        assert_eq!(mapped.window.lock().unwrap().map.is_some(), is_known);
    }

    /// Whatever way a byte takes, it arrives: by the map, by calls after a sync, by the map again.
    #[test]
    fn writes_between_few_and_many_syncs_arrive_in_order() {
        let mapped = MappedFile::new(tempfile::tempfile().unwrap());
        let is_known = !mapped.window.lock().unwrap().is_plain;
        let mut offset = 0;
        for round in 0..400u32 {
            let writes = if round % 40 == 39 { 3 * WRITES_FEW } else { 1 + round % 3 };
            for _ in 0..writes {
                let bytes = [round as u8; 3000];
                mapped.write_all_at(&bytes, offset).unwrap();
                offset += bytes.len() as u64;
            }
            mapped.sync().unwrap();
            let by_calls = mapped.window.lock().unwrap().reserved.is_some();
            assert_eq!(by_calls, is_known && writes < WRITES_FEW);
        }
        let mut found = vec![0; offset as usize];
        mapped.file.read_exact_at(&mut found, 0).unwrap();
        let mut rest = &found[..];
        for round in 0..400u32 {
            let writes = if round % 40 == 39 { 3 * WRITES_FEW } else { 1 + round % 3 };
            let (these, after) = rest.split_at(writes as usize * 3000);
            assert!(these.iter().all(|&byte| byte == round as u8), "round {round}");
            rest = after;
        }
    }
}
