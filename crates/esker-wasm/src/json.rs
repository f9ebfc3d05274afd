//! Writes JSON: objects of texts, numbers and bytes as hexadecimal digits.

use std::fmt::{Display, Write};

/// A JSON text that grows.
#[derive(Default)]
pub struct Json(String);

impl Json {
    /// A list with one item for each of `items`.
    pub fn list<T>(&mut self, items: impl IntoIterator<Item = T>, each: impl Fn(&mut Json, T)) {
        self.0.push('[');
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            each(self, item);
        }
        self.0.push(']');
    }

    /// An object with what `fill` puts in.
    pub fn object(&mut self, fill: impl FnOnce(&mut Json)) {
        self.0.push('{');
        fill(self);
        self.0.push('}');
    }

    /// The name of the next field.
    pub fn field(&mut self, name: &str) -> &mut Json {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.text(name);
        self.0.push(':');
        self
    }

    /// A number or a truth value.
    pub fn plain(&mut self, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{value}");
    }

    /// Nothing.
    pub fn null(&mut self) {
        self.0.push_str("null");
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                c if c < ' ' => drop(write!(self.0, "\\u{:04x}", u32::from(c))),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    /// Bytes, as hexadecimal digits.
    pub fn hex(&mut self, bytes: &[u8]) {
        self.0.push('"');
        for byte in bytes {
            let _ = write!(self.0, "{byte:02x}");
        }
        self.0.push('"');
    }

    /// The text so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}
