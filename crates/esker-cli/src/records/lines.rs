//! Splits a stream at its record ends, in bounded memory.

use std::io::Read;

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// Longest record: the longest key and value, with room for what is between and around them.
pub(super) const RECORD_BYTES_MAX: usize =
    esker::KEY_BYTES_MAX + esker::VALUE_BYTES_MAX + (1 << 20);

/// Records of a stream, by a byte that ends each.
pub struct Lines<R> {
    input: R,
    terminator: u8,
    /// Whether a NUL byte ends the input.
    nul_ends: bool,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the next search begins: what lies before has no terminator.
    searched: usize,
    is_done: bool,
    number: u64,
    taken: u64,
}

impl<R: Read> Lines<R> {
    /// Records that end with `terminator`; if that is not NUL, a NUL byte ends the input.
    pub fn new(input: R, terminator: u8) -> Lines<R> {
        Lines {
            input,
            terminator,
            nul_ends: terminator != 0,
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            searched: 0,
            is_done: false,
            number: 0,
            taken: 0,
        }
    }

    /// The number of the record given out last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes given out so far, with what ended each record.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The next record without its terminator. The last one may lack it.
    pub fn next(&mut self) -> Result<Option<&[u8]>, String> {
        loop {
            let unseen = &self.buffer[self.searched..self.end];
            let found = if self.nul_ends {
                memchr::memchr2(self.terminator, 0, unseen)
            } else {
                memchr::memchr(self.terminator, unseen)
            };
            if let Some(ahead) = found {
                let at = self.searched + ahead;
                self.is_done |= self.buffer[at] != self.terminator;
                return Ok(self.give(at, 1));
            }
            self.searched = self.end;
            if self.is_done || !self.fill()? {
                self.is_done = true;
                return Ok(self.give(self.end, 0));
            }
        }
    }

    /// Gives the record that ends at `at`; none if the input ends there without one.
    fn give(&mut self, at: usize, terminator_len: usize) -> Option<&[u8]> {
        let record = self.start..at;
        self.start = at + terminator_len;
        self.searched = self.start;
        self.taken += (record.len() + terminator_len) as u64;
        if self.is_done {
            self.start = self.end;
            self.searched = self.end;
            if record.is_empty() {
                return None;
            }
        }
        self.number += 1;
        Some(&self.buffer[record])
    }

    /// Reads more; false at the end of the input.
    fn fill(&mut self) -> Result<bool, String> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
        if self.end > RECORD_BYTES_MAX {
            let number = self.number + 1;
            return Err(format!("line {number}: longer than {RECORD_BYTES_MAX} bytes"));
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let read = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read.map_err(|e| format!("cannot read the input: {e}"))?,
            }
        };
        self.end += read;
        Ok(read > 0)
    }
}
