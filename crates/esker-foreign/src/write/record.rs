//! Records of a manifest as LevelDB writes them (LevelDB `doc/log_format.md`, `db/log_writer.cc`,
//! `db/version_edit.cc`).

use super::table::LevelDbTableSummary;
use crate::checksum::crc32c_masked;
use crate::coding::put_varint;
use crate::log::{BLOCK_LEN, HEADER_LEN};

/// Kinds of fragments, by whether they begin a record and whether they end it.
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// Fields of a manifest's record.
const COMPARATOR: u64 = 1;
const LOG_NUMBER: u64 = 2;
const NEXT_FILE: u64 = 3;
const LAST_SEQUENCE: u64 = 4;
const NEW_TABLE: u64 = 7;

/// A file with `record` as its only record: fragments in blocks of 32 KiB.
pub(super) fn one_record(record: &[u8]) -> Vec<u8> {
    // A record takes whole blocks up to its last: every fragment but that fills one.
    let fragments: Vec<&[u8]> = record.chunks(BLOCK_LEN - HEADER_LEN).collect();
    let mut file = Vec::new();
    for (i, payload) in fragments.iter().enumerate() {
        let kind = match (i == 0, i + 1 == fragments.len()) {
            (true, true) => FULL,
            (true, false) => FIRST,
            (false, false) => MIDDLE,
            (false, true) => LAST,
        };
        let checksum = crc32c_masked(&[&[kind], *payload].concat());
        file.extend_from_slice(&checksum.to_le_bytes());
        file.extend_from_slice(&(payload.len() as u16).to_le_bytes());
        file.push(kind);
        file.extend_from_slice(payload);
    }
    file
}

/// What a manifest says of a whole database.
pub(super) struct Contents<'a> {
    pub(super) comparator: &'a str,
    pub(super) log_number: u64,
    pub(super) next_file: u64,
    pub(super) last_sequence: u64,
    pub(super) level: u64,
    /// The tables with their numbers.
    pub(super) tables: &'a [(u64, LevelDbTableSummary)],
}

impl Contents<'_> {
    /// The record that says it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut record = Vec::new();
        put_varint(&mut record, COMPARATOR);
        put_slice(&mut record, self.comparator.as_bytes());
        let numbers = [
            (LOG_NUMBER, self.log_number),
            (NEXT_FILE, self.next_file),
            (LAST_SEQUENCE, self.last_sequence),
        ];
        for (field, number) in numbers {
            put_varint(&mut record, field);
            put_varint(&mut record, number);
        }
        for (number, table) in self.tables {
            for field in [NEW_TABLE, self.level, *number, table.bytes] {
                put_varint(&mut record, field);
            }
            put_slice(&mut record, &table.smallest);
            put_slice(&mut record, &table.largest);
        }
        record
    }
}

fn put_slice(record: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(record, bytes.len() as u64);
    record.extend_from_slice(bytes);
}
