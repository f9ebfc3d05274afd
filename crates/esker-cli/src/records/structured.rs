//! Records of quoted columns (RFC 4180) and records of JSON objects.

use super::{Lines, Record, Records};
use csv::{ByteRecord, Reader, ReaderBuilder, Writer};
use std::io::Read;

/// Comma-separated columns with quotes; one is the key, the others are the value, in the same
/// form.
pub struct Csv<R> {
    reader: Reader<R>,
    column: usize,
    record: ByteRecord,
    value: Vec<u8>,
}

impl<R: Read> Csv<R> {
    /// Records of `input` whose key is in `column`, counted from 0.
    pub fn new(input: R, column: usize) -> Csv<R> {
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
        Csv { reader, column, record: ByteRecord::new(), value: Vec::new() }
    }
}

impl<R: Read> Records for Csv<R> {
    fn next(&mut self) -> Record<'_> {
        let line = self.reader.position().line();
        let failed = |e: csv::Error| format!("line {line}: {e}");
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
