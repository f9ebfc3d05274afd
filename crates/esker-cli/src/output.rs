//! Output formats of entries.

use crate::args::Format;
use crate::bytes::{hex, printed, splits};
use crate::failure::{Failure, Result};
use crate::source::Lent;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::io::{self, BufWriter, StdoutLock, Write};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// Standard output with a buffer; the caller flushes it, so that errors are seen.
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock())
}

/// Prints entries, one a line.
pub struct Printer<W> {
    /// Where to.
    pub out: W,
    /// In which form.
    pub format: Format,
    /// What stands between key and value.
    pub delimiter: Vec<u8>,
    /// Whether values are left out.
    pub keys_only: bool,
    /// Whether sequence number and kind are shown.
    pub versions: bool,
}

impl<W: Write> Printer<W> {
    /// Prints one entry; refuses a key that no form of it tells from the delimiter.
    pub fn print(&mut self, entry: &Lent<'_>) -> Result<()> {
        match self.format {
            Format::Json => Ok(self.print_json(entry)?),
            Format::Text => {
                let key = printed(entry.key, Some(&self.delimiter));
                let value = printed(entry.value, None);
                self.print_line(entry, key, &value)
            }
            Format::Hex => {
                let key = hex(entry.key).into_bytes();
                self.print_line(entry, key.into(), hex(entry.value).as_bytes())
            }
        }
    }

    fn print_line(&mut self, entry: &Lent<'_>, key: Cow<'_, [u8]>, value: &[u8]) -> Result<()> {
        let has_more = self.versions || !self.keys_only;
        // A key that stands for itself was looked at when that was decided.
        if has_more && matches!(key, Cow::Owned(_)) && !splits(&key, &self.delimiter) {
            let (delimiter, key) = (self.delimiter.escape_ascii(), key.escape_ascii());
            return Err(Failure::input(format_args!(
                "the delimiter \"{delimiter}\" cannot be told from the key \"{key}\": choose \
                 another, or --format json"
            )));
        }
        self.out.write_all(&key)?;
        if self.versions {
            self.out.write_all(&self.delimiter)?;
            write!(self.out, "{}", entry.sequence)?;
            self.out.write_all(&self.delimiter)?;
            self.out.write_all(entry.kind.as_bytes())?;
        }
        if !self.keys_only {
            self.out.write_all(&self.delimiter)?;
            self.out.write_all(value)?;
        }
        Ok(self.out.write_all(b"\n")?)
    }

    fn print_json(&mut self, entry: &Lent<'_>) -> io::Result<()> {
        let mut object = Map::new();
        insert(&mut object, "key", entry.key);
        if self.versions {
            object.insert("sequence".into(), json!(entry.sequence));
            object.insert("kind".into(), json!(entry.kind));
        }
        if !self.keys_only {
            insert(&mut object, "value", entry.value);
        }
        serde_json::to_writer(&mut self.out, &object)?;
        self.out.write_all(b"\n")
    }
}

/// Puts `bytes` under `name`, or in hexadecimal digits under `name_hex` if they are not UTF-8.
pub fn insert(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.into(), json!(text)),
        Err(_) => object.insert(format!("{name}_hex"), json!(hex(bytes))),
    };
}
