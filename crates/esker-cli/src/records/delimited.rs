//! Records of key, delimiter and value, and records of tab-separated columns.

use super::{Lines, Record, Records};
use memchr::memmem;
use std::io::Read;

/// The first delimiter of a record stands between key and value.
pub struct Delimited<R> {
    lines: Lines<R>,
    delimiter: Vec<u8>,
}

impl<R: Read> Delimited<R> {
    /// Records of `lines`, split at `delimiter`, which is not empty.
    pub fn new(lines: Lines<R>, delimiter: &[u8]) -> Delimited<R> {
        Delimited { lines, delimiter: delimiter.to_vec() }
    }
}

impl<R: Read> Records for Delimited<R> {
    fn next(&mut self) -> Record<'_> {
        let number = self.lines.number() + 1;
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let at = match self.delimiter[..] {
            [byte] => memchr::memchr(byte, line),
            _ => memmem::find(line, &self.delimiter),
        };
        match at {
            Some(at) => Ok(Some((&line[..at], &line[at + self.delimiter.len()..]))),
            None => {
                let delimiter = self.delimiter.escape_ascii();
                let start = line[..line.len().min(40)].escape_ascii();
                Err(format!("line {number}: no delimiter \"{delimiter}\" in \"{start}\""))
            }
        }
    }

    fn taken_bytes(&self) -> u64 {
        self.lines.taken()
    }
}

/// Columns between tabs, without quotes; one is the key, the others are the value.
pub struct Tabbed<R> {
    lines: Lines<R>,
    /// Column of the key, from 0.
    column: usize,
    value: Vec<u8>,
}

impl<R: Read> Tabbed<R> {
    /// Records of `lines` whose key is in `column`, counted from 0.
    pub fn new(lines: Lines<R>, column: usize) -> Tabbed<R> {
        Tabbed { lines, column, value: Vec::new() }
    }
}

impl<R: Read> Records for Tabbed<R> {
    fn next(&mut self) -> Record<'_> {
        let number = self.lines.number() + 1;
        let column = self.column;
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let missing = || format!("line {number}: no column {}", column + 1);
        let start = match column.checked_sub(1) {
            None => 0,
            Some(before) => memchr::memchr_iter(b'\t', line).nth(before).ok_or_else(missing)? + 1,
        };
        let key_len = memchr::memchr(b'\t', &line[start..]);
        let end = key_len.map_or(line.len(), |len| start + len);
        let after = line.get(end + 1..).unwrap_or_default();
        if start == 0 {
            return Ok(Some((&line[..end], after)));
        }
        self.value.clear();
        self.value.extend_from_slice(&line[..start - 1]);
        if key_len.is_some() {
            self.value.push(b'\t');
            self.value.extend_from_slice(after);
        }
        Ok(Some((&line[start..end], &self.value)))
    }

    fn taken_bytes(&self) -> u64 {
        self.lines.taken()
    }
}
