//! What the targets of foreign databases share: fragments with right checksums, and a directory
//! to read them from.

use esker_foreign::{Comparator, Database, DatabaseSettings};
use std::path::PathBuf;

/// Appends a fragment of a log: checksum, length, then the type, and `payload` behind it.
pub fn fragment(out: &mut Vec<u8>, kind: u8, payload: &[u8], number: u32) {
    let mut covered = vec![kind];
    if matches!(kind, 5..=8 | 11 | 34) {
        covered.extend_from_slice(&number.to_le_bytes());
    }
    covered.extend_from_slice(payload);
    let mut crc = u32::MAX;
    for byte in &covered {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    let masked = (!crc).rotate_right(15).wrapping_add(0xa282_ead8);
    out.extend_from_slice(&masked.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u16).to_le_bytes());
    out.extend_from_slice(&covered);
}

/// Cuts `data` into fragments, each with three bytes in front for its type and its length.
pub fn frame(data: &[u8], number: u32) -> Vec<u8> {
    let mut log = Vec::new();
    let mut rest = data;
    while let [kind, low, high, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high]) & 0x7ff).min(tail.len());
        let (payload, after) = tail.split_at(len);
        let left = (32 << 10) - log.len() % (32 << 10);
        if left < 11 + len {
            log.resize(log.len() + left, 0);
        }
        fragment(&mut log, kind % 13, payload, number);
        rest = after;
    }
    log
}

/// Reads a database of these two files every way.
pub fn read(manifest: &[u8], log: &[u8]) {
    let folder: PathBuf = std::env::temp_dir().join(format!("esker-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("a file");
    put("CURRENT", b"MANIFEST-000001\n");
    put("MANIFEST-000001", manifest);
    put("000007.log", log);
    let _ = esker_foreign::detect_directory(&folder);
    for comparator in [None, Some(Comparator::Raw)] {
        let mut settings = DatabaseSettings::default();
        settings.comparator = comparator;
        settings.memory_bytes_max = 64 << 20;
        let Ok(database) = Database::open_with(&folder, &settings) else { continue };
        let _ = (database.tables(), database.range_tombstones(), database.verify(&mut |_, _| {}));
        let _ = (database.cuts(1), database.cuts(u64::MAX));
        let mut keys = Vec::new();
        let mut cursor = database.cursor();
        let mut forward = 0;
        while let Ok(Some(entry)) = cursor.next() {
            forward += 1;
            if keys.len() < 4 {
                keys.push(entry.key.to_vec());
            }
        }
        let mut backward = 0;
        while let Ok(Some(_)) = cursor.prev() {
            backward += 1;
        }
        assert_eq!(forward, backward, "both ways differ");
        for key in &keys {
            let _ = (database.get(key), database.explain(key));
            assert_eq!(cursor.seek(key).expect("in memory").map(|e| e.key), Some(&key[..]));
        }
        let forward: Vec<_> = database.visible().flatten().collect();
        let mut backward: Vec<_> = database.visible().rev().flatten().collect();
        backward.reverse();
        let is_whole = database.visible().all(|entry| entry.is_ok());
        assert!(!is_whole || forward == backward, "both ways differ");
        for (key, value) in forward.into_iter().take(4) {
            assert_eq!(database.get(&key).expect("listed"), Some(value), "listed, not found");
        }
    }
}
