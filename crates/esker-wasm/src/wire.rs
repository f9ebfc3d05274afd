//! Requests and replies as bytes. Numbers are little-endian.

use esker::{Error, Result};

/// Takes a request apart.
pub struct Request<'a>(&'a [u8]);

impl<'a> Request<'a> {
    pub fn new(bytes: &'a [u8]) -> Request<'a> {
        Request(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that are left.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub fn number(&mut self) -> Result<usize> {
        let bytes = self.take(NUMBER_LEN)?.try_into().map_err(|_| cut())?;
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    /// Bytes with their length in front.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.number()?;
        self.take(len)
    }

    pub fn text(&mut self) -> Result<&'a str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| Error::invalid_input("name", "not text"))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn cut() -> Error {
    Error::invalid_input("request", "it is cut short")
}

/// Bytes of a number.
pub const NUMBER_LEN: usize = 4;

/// Writes a number over the one at `at`.
pub fn set_number(reply: &mut [u8], at: usize, number: usize) {
    reply[at..at + NUMBER_LEN].copy_from_slice(&(number as u32).to_le_bytes());
}

/// Appends a number.
pub fn put_number(reply: &mut Vec<u8>, number: usize) {
    reply.extend_from_slice(&(number as u32).to_le_bytes());
}

/// Appends a key and a value: both lengths, then the bytes. No value has the length 2^32 − 1.
pub fn put_entry(reply: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    put_number(reply, key.len());
    put_number(reply, value.map_or(u32::MAX as usize, <[u8]>::len));
    reply.extend_from_slice(key);
    reply.extend_from_slice(value.unwrap_or_default());
}
