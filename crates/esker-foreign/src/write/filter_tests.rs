//! The hash against the values that LevelDB's own test lists, and the filters against their keys.

use super::{FilterBuilder, hash};

#[test]
fn the_hash_is_leveldbs() {
    // LevelDB `util/hash_test.cc`, seed 0xbc9f1d34.
    let samples: [(&[u8], u32); 5] = [
        (b"", 0xbc9f_1d34),
        (&[0x62], 0xef13_45c4),
        (&[0xc3, 0x97], 0x5b66_3814),
        (&[0xe2, 0x99, 0xa5], 0x323c_078f),
        (&[0xe1, 0x80, 0xb9, 0x32], 0xed21_633a),
    ];
    for (bytes, expected) in samples {
        assert_eq!(hash(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn each_2_kib_of_blocks_have_a_filter() {
    let mut builder = FilterBuilder::new(10);
    builder.start_block(0);
    builder.add(b"a");
    builder.start_block(5000);
    builder.add(b"b");
    let block = builder.finish();
    let (&base, rest) = block.split_last().unwrap();
    let (rest, end) = rest.split_last_chunk::<4>().unwrap();
    let end = u32::from_le_bytes(*end) as usize;
    let offsets: Vec<u32> =
        rest[end..].as_chunks().0.iter().map(|o| u32::from_le_bytes(*o)).collect();
    // The first block ends in the third range: its keys are in the first filter, the second is
    // empty, and what follows begins the third.
    assert_eq!((base, offsets), (11, vec![0, 9, 9]));
    assert_eq!((end, rest[8], rest[17]), (18, 6, 6), "64 bits and the number of probes");
}
