//! Output formats of entries.

use crate::args::Format;
use crate::bytes::{hex, put, put_hex, splits};
use crate::failure::{Failure, Result};
use crate::source::Lent;
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, StdoutLock, Write};

/// Bytes gathered before they are written.
pub const BUFFER_BYTES: usize = 256 << 10;

/// Standard output with a buffer; the caller flushes it, so that errors are seen.
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock())
}

/// In which form entries are printed.
#[derive(Clone, Debug)]
pub struct Layout {
    /// How bytes are written.
    pub format: Format,
    /// What stands between key and value.
    pub delimiter: Vec<u8>,
    /// Whether values are left out.
    pub keys_only: bool,
    /// Whether sequence number and kind are shown.
    pub versions: bool,
}

/// What takes what is printed, a page at a time.
pub trait Sink {
    /// Takes what `page` holds, and leaves it empty.
    fn take(&mut self, page: &mut Vec<u8>) -> io::Result<()>;
}

impl<W: Write> Sink for W {
    fn take(&mut self, page: &mut Vec<u8>) -> io::Result<()> {
        self.write_all(page)?;
        page.clear();
        Ok(())
    }
}

/// Prints entries, one a line, into pages for a sink. The caller flushes the last page, so that
/// errors are seen.
pub struct Printer<S> {
    /// What takes the pages.
    pub sink: S,
    layout: Layout,
    page: Vec<u8>,
}

impl<S: Sink> Printer<S> {
    /// Prints to `sink`.
    pub fn new(sink: S, layout: Layout) -> Printer<S> {
        Printer { sink, layout, page: Vec::with_capacity(BUFFER_BYTES) }
    }

    /// Prints one entry; refuses a key that no form of it tells from the delimiter.
    pub fn print(&mut self, entry: &Lent<'_>) -> Result<()> {
        let start = self.page.len();
        let printed = match self.layout.format {
            Format::Json => Ok(self.print_json(entry)?),
            Format::Text | Format::Hex => self.print_line(entry),
        };
        if printed.is_err() {
            self.page.truncate(start);
        }
        if self.page.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        printed
    }

    /// Hands on what was printed.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.take(&mut self.page)
    }

    fn print_line(&mut self, entry: &Lent<'_>) -> Result<()> {
        let Layout { format, delimiter, keys_only, versions } = &self.layout;
        let page = &mut self.page;
        let start = page.len();
        let put = |page: &mut Vec<u8>, bytes: &[u8], delimiter| match format {
            Format::Hex => {
                put_hex(page, bytes);
                false
            }
            _ => put(page, bytes, delimiter),
        };
        let is_plain = put(page, entry.key, Some(delimiter));
        // A plain key was looked at when that was decided.
        let has_more = *versions || !keys_only;
        let key = page.get(start..).unwrap_or_default();
        if has_more && !is_plain && !splits(key, delimiter) {
            let (delimiter, key) = (delimiter.escape_ascii(), key.escape_ascii());
            return Err(Failure::input(format_args!(
                "the delimiter \"{delimiter}\" cannot be told from the key \"{key}\": choose \
                 another, or --format json"
            )));
        }
        if *versions {
            page.extend_from_slice(delimiter);
            write!(page, "{}", entry.sequence)?;
            page.extend_from_slice(delimiter);
            page.extend_from_slice(entry.kind.as_bytes());
        }
        if !keys_only {
            page.extend_from_slice(delimiter);
            put(page, entry.value, None);
        }
        page.push(b'\n');
        Ok(())
    }

    fn print_json(&mut self, entry: &Lent<'_>) -> io::Result<()> {
        let mut object = Map::new();
        insert(&mut object, "key", entry.key);
        if self.layout.versions {
            object.insert("sequence".into(), json!(entry.sequence));
            object.insert("kind".into(), json!(entry.kind));
        }
        if !self.layout.keys_only {
            insert(&mut object, "value", entry.value);
        }
        serde_json::to_writer(&mut self.page, &object)?;
        self.page.push(b'\n');
        Ok(())
    }
}

/// Puts `bytes` under `name`, or in hexadecimal digits under `name_hex` if they are not UTF-8.
pub fn insert(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.into(), json!(text)),
        Err(_) => object.insert(format!("{name}_hex"), json!(hex(bytes))),
    };
}
