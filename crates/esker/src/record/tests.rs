//! Records come back; flips, cuts, moves and other files' records are told.

use super::*;

const NUMBER: u64 = 7;

fn file(payloads: &[&[u8]], number: u64) -> Vec<u8> {
    let mut bytes = FileHeader { number, previous: 3 }.encode(LOG_MAGIC).to_vec();
    for payload in payloads {
        let offset = bytes.len() as u64;
        append_record(&mut bytes, number, offset, |out| out.extend_from_slice(payload));
    }
    bytes
}

fn read(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = RecordReader::new(bytes, NUMBER);
    std::iter::from_fn(|| reader.next().map(|(_, payload)| payload.to_vec())).collect()
}

#[test]
fn records_come_back() {
    let bytes = file(&[b"one", b"eighteen bytes long", b"3"], NUMBER);
    let header = FileHeader::decode(&bytes, LOG_MAGIC, Path::new("f")).unwrap();
    assert_eq!(header, FileHeader { number: NUMBER, previous: 3 });
    assert_eq!(read(&bytes), [&b"one"[..], b"eighteen bytes long", b"3"]);
}

#[test]
fn every_flip_and_cut_leaves_a_prefix_and_the_next_sound_record_is_found() {
    let bytes = file(&[b"first", b"second", b"third"], NUMBER);
    for at in FILE_HEADER_LEN..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            let mut reader = RecordReader::new(&broken, NUMBER);
            let mut count = 0;
            while reader.next().is_some() {
                count += 1;
            }
            // Each record of the three takes 24 bytes; padding is under no checksum.
            let place = (at - FILE_HEADER_LEN) / 24;
            assert!(count == place || count == 3, "byte {at} bit {bit}");
            assert_eq!(reader.resync(), count < 2, "byte {at} bit {bit}");
        }
        let cut = read(&bytes[..at]).len();
        assert!(cut <= (at - FILE_HEADER_LEN) / 20, "cut at {at}: {cut} records");
    }
}

#[test]
fn a_recycled_file_shows_nothing_of_its_earlier_life() {
    let mut bytes = file(&[b"old one", b"old two", b"old three"], 6);
    let fresh = [file(&[b"new one"], NUMBER), END.to_vec()].concat();
    bytes[..fresh.len()].copy_from_slice(&fresh);
    assert_eq!(read(&bytes), [b"new one"]);
    let mut reader = RecordReader::new(&bytes, NUMBER);
    reader.next();
    assert!(reader.is_at_end() && !reader.resync());
}

#[test]
fn headers_that_are_not_ours_are_refused() {
    let header = FileHeader { number: 1, previous: 0 }.encode(LOG_MAGIC);
    let path = Path::new("f");
    assert!(FileHeader::decode(&header, MANIFEST_MAGIC, path).is_err());
    for at in 0..HEADER_SUM_AT + 4 {
        let mut broken = header;
        broken[at] ^= 4;
        assert!(FileHeader::decode(&broken, LOG_MAGIC, path).is_err(), "byte {at}");
        assert!(FileHeader::decode(&header[..at], LOG_MAGIC, path).is_err(), "cut at {at}");
    }
}
