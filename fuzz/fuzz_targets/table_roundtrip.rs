#![no_main]
//! Any entries through the writer and the reader, against a map.

use arbitrary::Arbitrary;
use esker::{Compression, Entry, Table, TableWriter, ValueKind, WriteSettings};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

#[derive(Arbitrary, Debug)]
struct Input {
    entries: BTreeMap<Vec<u8>, (u32, Option<Vec<u8>>)>,
    probes: Vec<Vec<u8>>,
    block_size: u8,
    filter_bits: u8,
    lz4: bool,
}

fuzz_target!(|input: Input| {
    let mut settings = WriteSettings::default();
    settings.block_size_bytes = 256 + 16 * usize::from(input.block_size);
    settings.filter_bits_per_key = u32::from(input.filter_bits) % 65;
    settings.compression = if input.lz4 { Compression::Lz4 } else { Compression::None };
    let mut writer = TableWriter::new(Vec::new(), settings).expect("settings are in range");
    for (key, (sequence, value)) in &input.entries {
        let (kind, value) = match value {
            Some(value) => (ValueKind::Put, &value[..]),
            None => (ValueKind::Tombstone, &[][..]),
        };
        let entry = Entry { key, value, sequence: u64::from(*sequence), kind };
        writer.add(entry).expect("entries are in order");
    }
    let (bytes, _) = writer.finish().expect("memory takes all");
    let table = Table::from_bytes(bytes).expect("just written");
    table.verify(&mut |_, _| {}).expect("just written");
    for key in input.entries.keys().chain(&input.probes) {
        let expected = input.entries.get(key).and_then(|(_, value)| value.as_deref());
        assert_eq!(table.get(key).expect("sound").as_deref(), expected);
        let above = input.entries.range(key.clone()..).next().map(|(key, _)| key);
        let mut cursor = table.cursor();
        assert_eq!(cursor.seek(key).expect("sound").map(|e| e.key), above.map(|key| &key[..]));
    }
    let live = input.entries.iter().filter_map(|(key, (_, v))| Some((key.clone(), v.clone()?)));
    assert!(table.iter().map(|entry| entry.expect("sound")).eq(live.clone()));
    let reversed: Vec<_> = table.iter().rev().map(|entry| entry.expect("sound")).collect();
    assert!(reversed.into_iter().rev().eq(live));
});
