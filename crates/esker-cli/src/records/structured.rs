//! Records of quoted columns (RFC 4180) and records of JSON objects.

use super::lines::RECORD_BYTES_MAX;
use super::{Lines, Record, Records};
use csv::{ByteRecord, Reader, ReaderBuilder, Writer};
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Comma-separated columns with quotes; one is the key, the others are the value, in the same
/// form.
pub struct Csv<R> {
    reader: Reader<Metered<R>>,
    /// Bytes that may still be read for the record in hand.
    left: Rc<Cell<usize>>,
    column: usize,
    record: ByteRecord,
    value: Vec<u8>,
}

impl<R: Read> Csv<R> {
    /// Records of `input` whose key is in `column`, counted from 0.
    pub fn new(input: R, column: usize) -> Csv<R> {
        let mut builder = ReaderBuilder::new();
        let left = Rc::new(Cell::new(RECORD_BYTES_MAX));
        let reader = builder
            .has_headers(false)
            .flexible(true)
            .from_reader(Metered { input, left: Rc::clone(&left) });
        Csv { reader, left, column, record: ByteRecord::new(), value: Vec::new() }
    }
}

impl<R: Read> Records for Csv<R> {
    fn next(&mut self) -> Record<'_> {
        let line = self.reader.position().line();
        let failed = |e: csv::Error| match e.kind() {
            csv::ErrorKind::Io(e) => format!("line {line}: {e}"),
            _ => format!("line {line}: {e}"),
        };
        self.left.set(RECORD_BYTES_MAX);
        if !self.reader.read_byte_record(&mut self.record).map_err(failed)? {
            return Ok(None);
        }
        let column = self.column;
        if self.record.get(column).is_none() {
            return Err(format!("line {line}: no column {}", column + 1));
        }
        self.value.clear();
        let others = self.record.iter().enumerate().filter(|(i, _)| *i != column);
        let mut writer = Writer::from_writer(&mut self.value);
        if self.record.len() > 1 {
            writer.write_record(others.map(|(_, field)| field)).map_err(failed)?;
        }
        writer.flush().map_err(|e| format!("line {line}: {e}"))?;
        drop(writer);
        if self.value.last() == Some(&b'\n') {
            self.value.pop();
        }
        Ok(self.record.get(column).map(|key| (key, &self.value[..])))
    }

    fn taken_bytes(&self) -> u64 {
        self.reader.position().byte()
    }
}

/// An input that refuses to go on when a record takes too much of it, as one does whose quote is
/// never closed.
pub(super) struct Metered<R> {
    pub(super) input: R,
    pub(super) left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let message = || format!("a record longer than {RECORD_BYTES_MAX} bytes");
        let left = self.left.get().checked_sub(read);
        self.left.set(left.ok_or_else(|| io::Error::other(message()))?);
        Ok(read)
    }
}

/// JSON objects, one a line; a field is the key, the whole line the value.
pub struct JsonLines<R> {
    lines: Lines<R>,
    field: String,
    key: Vec<u8>,
}

impl<R: Read> JsonLines<R> {
    /// Records of `lines` whose key is in `field`.
    pub fn new(lines: Lines<R>, field: &str) -> JsonLines<R> {
        JsonLines { lines, field: field.to_string(), key: Vec::new() }
    }
}

impl<R: Read> Records for JsonLines<R> {
    fn next(&mut self) -> Record<'_> {
        let number = self.lines.number() + 1;
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let object: serde_json::Value =
            serde_json::from_slice(line).map_err(|e| format!("line {number}: {e}"))?;
        self.key = match object.get(&self.field) {
            Some(serde_json::Value::String(text)) => text.clone().into_bytes(),
            Some(serde_json::Value::Number(n)) => n.to_string().into_bytes(),
            Some(_) => {
                let field = &self.field;
                return Err(format!("line {number}: \"{field}\" is neither text nor a number"));
            }
            None => return Err(format!("line {number}: no field \"{}\"", self.field)),
        };
        Ok(Some((&self.key, line)))
    }

    fn taken_bytes(&self) -> u64 {
        self.lines.taken()
    }
}
