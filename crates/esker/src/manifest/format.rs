//! Payload of a manifest's record: one edit. Normative text: `docs/format.md#manifest`.
//!
//! An edit is a row of fields, each with a tag of one byte before it. Numbers have eight bytes,
//! levels one, keys a length of four bytes before them; all little-endian.

/// The oldest log that is still needed: number.
pub(super) const TAG_LOG: u8 = 1;
/// No file has this number or a larger one: number.
pub(super) const TAG_NEXT_NUMBER: u8 = 2;
/// The last sequence number in any table: number.
pub(super) const TAG_LAST_SEQUENCE: u8 = 3;
/// A table comes: level, then number, file bytes, entries, tombstones, smallest and largest
/// sequence number, digest, ingested (sequence number plus one, or zero), smallest key, largest
/// key.
pub(super) const TAG_ADDED: u8 = 4;
/// A table goes: level, number.
pub(super) const TAG_REMOVED: u8 = 5;

/// The file that names the manifest in force.
pub const CURRENT: &str = "CURRENT";
/// Its next content, on the way.
pub(super) const CURRENT_NEXT: &str = "CURRENT.next";
