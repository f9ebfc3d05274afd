#![no_main]
//! Any bytes as a log of a foreign database: as they are, and as fragments with right checksums.

use libfuzzer_sys::fuzz_target;

#[path = "directory.rs"]
mod directory;

fuzz_target!(|data: &[u8]| {
    let Some((flags, data)) = data.split_first() else { return };
    let mut fields = b"\x01\x1aleveldb.BytewiseComparator\x02\x00\x03\x09\x04\x00".to_vec();
    if flags & 1 == 1 {
        // The largest number of a column family: only RocksDB notes it.
        fields.extend_from_slice(&[0xcb, 1, 0]);
    }
    let mut manifest = Vec::new();
    directory::fragment(&mut manifest, 1, &fields, 0);
    directory::read(&manifest, data);
    directory::read(&manifest, &directory::frame(data, 7));
});
