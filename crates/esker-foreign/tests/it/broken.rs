//! Broken and hostile tables: an error or the right answer, never a panic.

use crate::{is_readable, shipped, versions};
use esker::ErrorKind;
use esker_foreign::ForeignTable;

fn read(bytes: Vec<u8>) -> esker::Result<Vec<crate::Version>> {
    let table = ForeignTable::from_bytes(bytes)?;
    table.verify(&mut |_, _| {})?;
    let mut all = versions(&table)?;
    // The one sequence number that a database writes into an ingested table is under no checksum.
    if table.properties().iter().any(|(name, _)| name == "rocksdb.external_sst_file.global_seqno") {
        all.iter_mut().for_each(|(_, sequence, ..)| *sequence = 0);
    }
    Ok(all)
}

#[test]
fn every_flip_is_harmless() {
    for path in shipped().into_iter().filter(|path| is_readable(path)) {
        let bytes = std::fs::read(&path).unwrap();
        let expected = read(bytes.clone()).unwrap();
        let mut unnoticed = 0;
        for at in (0..bytes.len()).step_by(7).chain(bytes.len() - 60..bytes.len()) {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << (at % 8);
            match read(broken) {
                Ok(found) => {
                    assert_eq!(found, expected, "{}: byte {at}", path.display());
                    unnoticed += 1;
                }
                Err(error) => assert!(error.path().is_some(), "{error}"),
            }
        }
        // Only the footer has bytes under no checksum.
        assert!(unnoticed < 60, "{}: {unnoticed} flips unnoticed", path.display());
    }
}

#[test]
fn every_cut_is_an_error() {
    for path in shipped().into_iter().filter(|path| is_readable(path)) {
        let bytes = std::fs::read(&path).unwrap();
        for len in (0..bytes.len()).step_by(97).chain(0..64) {
            read(bytes[..len].to_vec()).expect_err("a cut table");
        }
    }
}

/// A LevelDB table whose one index block has `index` for its bytes.
fn with_index(index: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut handles = Vec::new();
    for block in [&[0, 0, 0, 0, 1, 0, 0, 0][..], index] {
        handles.push((file.len(), block.len()));
        file.extend_from_slice(block);
        file.push(0);
        let covered = &file[file.len() - block.len() - 1..];
        let crc = crc_fast::crc32_iscsi(covered);
        file.extend_from_slice(&crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
    }
    let mut footer = Vec::new();
    for (offset, size) in handles {
        for mut number in [offset, size] {
            while number >= 0x80 {
                footer.push(number as u8 | 0x80);
                number >>= 7;
            }
            footer.push(number as u8);
        }
    }
    footer.resize(40, 0);
    footer.extend_from_slice(&0xdb47_7524_8b80_fb57u64.to_le_bytes());
    file.extend_from_slice(&footer);
    file
}

#[test]
fn hostile_blocks_are_refused() {
    assert!(read(with_index(&[0, 0, 0, 0, 1, 0, 0, 0])).unwrap().is_empty(), "an empty table");
    let cases: &[(&str, &[u8])] = &[
        ("restart count of 2^32 - 1", &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        ("restart count of zero", &[0, 0, 0, 0]),
        ("no block", &[]),
        ("shared bytes of no key", &[5, 1, 0, b'a', 0, 0, 0, 0, 1, 0, 0, 0]),
        ("key past the end", &[0, 200, 1, 0, b'a', 0, 0, 0, 0, 1, 0, 0, 0]),
        ("length without an end", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 0, 0, 0]),
        (
            "handle past the end",
            b"\x00\x09\x0aa\x01\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\
              \0\0\0\0\x01\0\0\0",
        ),
    ];
    for (what, block) in cases {
        let error = read(with_index(block)).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Corruption, "{what}: {error}");
    }
}

#[test]
fn other_files_are_named() {
    let error = ForeignTable::from_bytes(b"PK\x03\x04".to_vec()).unwrap_err();
    assert!(error.to_string().contains("table magic"), "{error}");
    ForeignTable::from_bytes(Vec::new()).unwrap_err();
    let mut plain = vec![0; 100];
    plain.extend_from_slice(&0x8242_2296_63bf_9564u64.to_le_bytes());
    let error = ForeignTable::from_bytes(plain).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
