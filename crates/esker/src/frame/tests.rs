//! Frames round-trip; every flipped byte and every cut is noticed.

use super::*;

const OFFSET: u64 = 4096;

fn frame(block: &[u8], compression: Compression) -> (Vec<u8>, u32) {
    let mut out = Vec::new();
    let checksum = write_frame(&mut out, OFFSET, FrameKind::Data, block, compression);
    (out, checksum)
}

fn read(frame: &[u8], checksum: u32, offset: u64) -> Result<Vec<u8>> {
    let path = Path::new("t");
    verify_frame(frame, checksum, path, offset)?;
    let header = parse_frame(frame, frame.len() as u64, path, offset)?;
    let mut block = vec![0; header.raw_len as usize];
    header.decompress(frame, &mut block, path, offset)?;
    Ok(block)
}

#[test]
fn blocks_come_back() {
    let noise: Vec<u8> = (0..1000u64)
        .flat_map(|n| crate::base::hash::key_hash(&n.to_le_bytes()).to_le_bytes())
        .collect();
    let kinds = [
        Compression::None,
        Compression::Lz4,
        #[cfg(feature = "zstd")]
        Compression::Zstd,
    ];
    for compression in kinds {
        for block in [b"".to_vec(), b"a".to_vec(), vec![7; 100_000], noise.clone()] {
            let (bytes, checksum) = frame(&block, compression);
            assert_eq!(read(&bytes, checksum, OFFSET).unwrap(), block, "{compression:?}");
        }
        let (bytes, _) = frame(&noise, compression);
        assert_eq!(bytes.len(), FRAME_HEADER_LEN + noise.len(), "noise is stored as it is");
    }
}

#[test]
fn every_flip_cut_and_move_is_noticed() {
    let (bytes, checksum) = frame(&[7; 300], Compression::Lz4);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            assert!(read(&broken, checksum, OFFSET).is_err(), "byte {at} bit {bit}");
        }
        assert!(read(&bytes[..at], checksum, OFFSET).is_err(), "cut at {at}");
    }
    assert!(read(&bytes, checksum, OFFSET + 1).is_err(), "another place");
    assert!(read(&bytes, checksum ^ 1, OFFSET).is_err(), "another checksum in the index");
}

#[test]
fn a_bomb_is_refused_before_memory_is_taken() {
    let (mut bytes, _) = frame(&[7; 300], Compression::Lz4);
    bytes[RAW_LEN_AT..KIND_AT].copy_from_slice(&u32::MAX.to_le_bytes());
    let checksum = checksum_at(&bytes[STORED_LEN_AT..], OFFSET);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    let error = read(&bytes, checksum, OFFSET).unwrap_err().to_string();
    assert!(error.contains("block length at byte 4104"), "{error}");
}
