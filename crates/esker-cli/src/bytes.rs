//! Text forms of keys and values: nothing is lost on the way out or in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::str::FromStr;

/// Bytes given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Bytes, String> {
        decode(text.as_bytes()).map(|bytes| Bytes(bytes.into_owned()))
    }
}

/// Decodes `hex:…`, `base64:…` and `text:…`; all else stands for itself.
pub fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if let Some(digits) = text.strip_prefix(b"hex:") {
        let bytes = unhex(digits).ok_or("hex: wants an even number of hexadecimal digits")?;
        return Ok(bytes.into());
    }
    if let Some(encoded) = text.strip_prefix(b"base64:") {
        let bytes = STANDARD.decode(encoded).map_err(|e| format!("base64: {e}"))?;
        return Ok(bytes.into());
    }
    Ok(text.strip_prefix(b"text:").unwrap_or(text).into())
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|&[a, b]| Some((digit(a)? << 4 | digit(b)?) as u8));
    if rest.is_empty() { bytes.collect() } else { None }
}

/// The hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::new();
    put_hex(&mut digits, bytes);
    String::from_utf8(digits).unwrap_or_default()
}

/// Appends the hexadecimal digits of `bytes`.
pub fn put_hex(line: &mut Vec<u8>, bytes: &[u8]) {
    // Arithmetic, not a table: so many digits are made in one instruction.
    let digit = |n: u8| n + b'0' + if n > 9 { b'a' - b'9' - 1 } else { 0 };
    let start = line.len();
    line.resize(start + 2 * bytes.len(), 0);
    for ([high, low], byte) in line[start..].as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        (*high, *low) = (digit(byte >> 4), digit(byte & 15));
    }
}

/// `bytes` as text that [`decode`] turns back: as they are where they are plain, else `hex:…`.
///
/// Plain is UTF-8 without control characters (tabs are allowed), not beginning like another form,
/// and such that `delimiter` after it is the first one.
pub fn encode<'b>(bytes: &'b [u8], delimiter: Option<&[u8]>) -> Cow<'b, str> {
    match plain(bytes, delimiter) {
        Some(text) => text.into(),
        None => ["hex:", &hex(bytes)].concat().into(),
    }
}

/// Appends the same to `line`; whether `bytes` are plain.
pub fn put(line: &mut Vec<u8>, bytes: &[u8], delimiter: Option<&[u8]>) -> bool {
    // At once for what is surely plain.
    let is_plain = is_printable_ascii(bytes)
        && !matches!(bytes.first(), Some(b'h' | b'b' | b't'))
        && delimiter.is_none_or(|d| splits(bytes, d))
        || plain(bytes, delimiter).is_some();
    if is_plain {
        line.extend_from_slice(bytes);
    } else {
        line.extend_from_slice(b"hex:");
        put_hex(line, bytes);
    }
    is_plain
}

/// `bytes` as text, if they are plain.
fn plain<'b>(bytes: &'b [u8], delimiter: Option<&[u8]>) -> Option<&'b str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_plain = (is_printable_ascii(bytes)
        || !text.chars().any(|c| c.is_control() && c != '\t'))
        && delimiter.is_none_or(|d| splits(bytes, d))
        && !["hex:", "base64:", "text:"].iter().any(|form| text.starts_with(form));
    is_plain.then_some(text)
}

/// Whether all of `bytes` stand for themselves in ASCII; without a way out, so that many are looked
/// at in one instruction.
fn is_printable_ascii(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, byte| all & (byte.wrapping_sub(b' ') < 0x7f - b' '))
}

/// Whether the first `delimiter` in `key` followed by `delimiter` is the one after `key`.
///
/// It is not where the key holds one, and not where the key's end and the delimiter's start make
/// one: `a:` before `::`.
pub fn splits(key: &[u8], delimiter: &[u8]) -> bool {
    if let [only] = delimiter {
        // Keys are short: without a way out, as above.
        return key.iter().fold(true, |all, byte| all & (byte != only));
    }
    memchr::memmem::find(&[key, delimiter].concat(), delimiter) == Some(key.len())
}

#[cfg(test)]
mod tests;
