#![no_main]
//! Any bytes as the blocks of a LevelDB table, framed with right checksums; and as a whole file.

use libfuzzer_sys::fuzz_target;

#[path = "foreign.rs"]
mod foreign;

const MAGIC: u64 = 0xdb47_7524_8b80_fb57;

fuzz_target!(|data: &[u8]| {
    foreign::read(data.to_vec());
    let (file, metaindex, index) = foreign::frame(data);
    let mut footer = Vec::new();
    foreign::handle(&mut footer, metaindex);
    foreign::handle(&mut footer, index);
    footer.resize(40, 0);
    footer.extend_from_slice(&MAGIC.to_le_bytes());
    foreign::read([file, footer].concat());
});
