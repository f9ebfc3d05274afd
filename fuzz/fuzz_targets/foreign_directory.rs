#![no_main]
//! Any bytes as the files of a foreign database: manifest, two logs, two tables, read as they are
//! and with loss accepted. The first byte of each part says which file it is, and how it is framed.

use esker_foreign::{Database, DatabaseSettings};
use libfuzzer_sys::fuzz_target;

#[path = "directory.rs"]
#[expect(dead_code, reason = "its own reader is of one log")]
mod directory;
#[path = "foreign.rs"]
#[expect(dead_code, reason = "its own reader is of one table")]
mod foreign;

const NAMES: [&str; 6] =
    ["MANIFEST-000001", "000007.log", "000008.log", "000005.ldb", "000006.sst", "CURRENT"];

/// The manifest of a LevelDB database: its order, logs from number 0 on, no table.
const FIELDS: &[u8] = b"\x01\x1aleveldb.BytewiseComparator\x02\x00\x03\x09\x04\x00";

fn table(data: &[u8], magic: u64) -> Vec<u8> {
    let (mut file, metaindex, index) = foreign::frame(data);
    let mut footer = Vec::new();
    foreign::handle(&mut footer, metaindex);
    foreign::handle(&mut footer, index);
    footer.resize(40, 0);
    file.extend_from_slice(&footer);
    file.extend_from_slice(&magic.to_le_bytes());
    file
}

/// Tries everything on the database, as far as its settings let it be read.
fn try_all(folder: &std::path::Path, settings: &DatabaseSettings) {
    let Ok(database) = Database::open_with(folder, settings) else { return };
    let _ = (database.verify(&mut |_, _| {}), database.space(), database.range_tombstones());
    let _ = (database.cuts(1), database.cuts(u64::MAX));
    let forward: Vec<_> = database.visible().take(2000).collect();
    let whole = forward.len() < 2000 && forward.iter().all(|entry| entry.is_ok());
    let backward: Vec<_> = database.visible().rev().take(2000).collect();
    let (mut cursor, mut steps) = (database.cursor(), 0);
    while let (Ok(Some(_)), true) = (cursor.next(), steps < 2000) {
        steps += 1;
    }
    while let (Ok(Some(_)), true) = (cursor.prev(), steps > 0) {
        steps -= 1;
    }
    for (key, _) in forward.iter().take(4).flatten() {
        let _ = (database.get(key), database.explain(key), database.prefix(key).count());
    }
    if whole && backward.iter().all(|entry| entry.is_ok()) {
        assert_eq!(forward.len(), backward.len(), "both ways differ");
    }
    let _ = database.losses();
}

fuzz_target!(|data: &[u8]| {
    let folder = std::env::temp_dir().join(format!("esker-fuzz-dir-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("a file");
    put("CURRENT", b"MANIFEST-000001\n");
    let mut manifest = Vec::new();
    directory::fragment(&mut manifest, 1, FIELDS, 0);
    put("MANIFEST-000001", &manifest);
    let mut rest = data;
    while let [what, low, high, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high]) & 0x1fff).min(tail.len());
        let (part, after) = tail.split_at(len);
        let name = NAMES[usize::from(*what) % NAMES.len()];
        let is_framed = what & 0x80 == 0;
        match name {
            _ if !is_framed => put(name, part),
            "MANIFEST-000001" => put(name, &[&manifest, &directory::frame(part, 1)[..]].concat()),
            "000007.log" => put(name, &directory::frame(part, 7)),
            "000008.log" => put(name, &directory::frame(part, 8)),
            "000005.ldb" => put(name, &table(part, 0xdb47_7524_8b80_fb57)),
            "000006.sst" => put(name, &table(part, 0x88e2_41b7_85f4_cff7)),
            _ => std::fs::remove_file(folder.join("CURRENT")).unwrap_or(()),
        }
        rest = after;
    }
    for accept_loss in [false, true] {
        let mut settings = DatabaseSettings::default();
        settings.accept_loss = accept_loss;
        settings.memory_bytes_max = 64 << 20;
        try_all(&folder, &settings);
    }
});
