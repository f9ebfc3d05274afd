//! Reading ahead: who goes from block to block reads several at a time.

use super::scratch::Scratch;
use crate::vfs::ReadAt;
use std::io;

/// Most bytes that are read at a time. A call of the system for 8 KiB that it has in memory takes
/// 2 us, of which less than half is the copy (measured).
const WINDOW_BYTES_MAX: usize = 64 << 10;

/// A piece of the file that one reader holds, for the frames that it comes to next.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    /// Where the window begins.
    start: u64,
    window: Scratch,
    /// Bytes of the next window.
    wanted: usize,
    /// Where the last frame ended.
    end: u64,
}

impl ReadAhead {
    /// Reads `frame` from `offset` of `source`, whose frames end at `limit`. A window is read when
    /// frames are asked for one behind the other, each twice as long as the one before.
    ///
    /// # Errors
    /// Those of `source`, for this frame alone.
    pub(super) fn read(
        &mut self,
        source: &dyn ReadAt,
        frame: &mut [u8],
        offset: u64,
        limit: u64,
    ) -> io::Result<()> {
        let is_next = offset == self.end;
        self.end = offset + frame.len() as u64;
        if self.copy(frame, offset) {
            return Ok(());
        }
        self.wanted = if is_next { (self.wanted * 2).min(WINDOW_BYTES_MAX) } else { frame.len() };
        let left = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = self.wanted.min(left);
        if len >= 2 * frame.len() && self.fill(source, offset, len) && self.copy(frame, offset) {
            return Ok(());
        }
        source.read_exact_at(frame, offset)
    }

    /// Copies `frame` out of the window, if it is there.
    fn copy(&self, frame: &mut [u8], offset: u64) -> bool {
        let at = offset.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let rest = at.and_then(|at| self.window.get(at..));
        let found = rest.and_then(|rest| rest.get(..frame.len()));
        found.inspect(|found| frame.copy_from_slice(found)).is_some()
    }

    /// Reads a window; false if that failed: what lies behind the frame is not its reader's loss.
    fn fill(&mut self, source: &dyn ReadAt, offset: u64, len: usize) -> bool {
        let mut window = std::mem::take(&mut self.window).with_len(len);
        let is_read = source.read_exact_at(&mut window, offset).is_ok();
        if is_read {
            (self.start, self.window) = (offset, window);
        }
        is_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Bytes 0, 1, 2, ...; notes each read, and fails those that go beyond `sound`.
    struct Source {
        sound: u64,
        reads: Mutex<Vec<(u64, usize)>>,
    }

    impl ReadAt for Source {
        fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
            self.reads.lock().unwrap().push((offset, bytes.len()));
            if offset + bytes.len() as u64 > self.sound {
                return Err(io::ErrorKind::Other.into());
            }
            bytes.iter_mut().zip(offset..).for_each(|(byte, at)| *byte = at as u8);
            Ok(())
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.sound)
        }
    }

    /// The reads that come of frames of 1,000 bytes at `offsets`, of a table of 9,000.
    fn reads(sound: u64, offsets: &[u64]) -> Vec<(u64, usize)> {
        let source = Source { sound, reads: Mutex::default() };
        let mut ahead = ReadAhead::default();
        for &offset in offsets {
            let mut frame = vec![0; 1000];
            ahead.read(&source, &mut frame, offset, 9000).unwrap();
            assert!(frame.iter().zip(offset..).all(|(&byte, at)| byte == at as u8), "{offset}");
        }
        source.reads.into_inner().unwrap()
    }

    #[test]
    fn windows_grow_while_frames_follow_each_other() {
        let scan: Vec<u64> = (100..).step_by(1000).take(8).collect();
        assert_eq!(reads(9000, &scan), [(100, 1000), (1100, 2000), (3100, 4000), (7100, 1000)]);
        assert_eq!(reads(9000, &[5000, 100, 3000]), [(5000, 1000), (100, 1000), (3000, 1000)]);
    }

    #[test]
    fn what_cannot_be_read_behind_a_frame_does_not_fail_it() {
        assert_eq!(reads(2500, &[500, 1500]), [(500, 1000), (1500, 2000), (1500, 1000)]);
    }
}
