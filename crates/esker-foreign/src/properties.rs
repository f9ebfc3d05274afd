//! How RocksDB's properties look to people (RocksDB `table/table_properties.cc`).

use crate::coding::{Reader, u32_at, u64_at};

/// Properties whose values are text.
const TEXTS: &[&str] = &[
    "rocksdb.comparator",
    "rocksdb.compression",
    "rocksdb.compression_options",
    "rocksdb.column.family.name",
    "rocksdb.creating.db.identity",
    "rocksdb.creating.host.identity",
    "rocksdb.creating.session.identity",
    "rocksdb.filter.policy",
    "rocksdb.merge.operator",
    "rocksdb.prefix.extractor.name",
    "rocksdb.property.collectors",
    "rocksdb.seqno.time.map",
];

/// Properties whose values are integers of fixed width.
const FIXED: &[&str] = &[
    "rocksdb.block.based.table.index.type",
    "rocksdb.external_sst_file.global_seqno",
    "rocksdb.external_sst_file.version",
];

/// `value` of the property `name`, as text, number or hexadecimal digits.
pub(crate) fn render(name: &str, value: &[u8]) -> String {
    if FIXED.contains(&name) {
        let number = u64_at(value, 0).or_else(|| u32_at(value, 0).map(u64::from));
        return number.map_or_else(|| hex(value), |n| n.to_string());
    }
    let mut reader = Reader(value);
    if !TEXTS.contains(&name)
        && let Some(number) = reader.varint()
        && reader.0.is_empty()
    {
        return number.to_string();
    }
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_string(),
        _ => hex(value),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
