//! Records come back; flips, cuts, moves and other files' records are told.

use super::*;
use crate::base::checksum::SUMMED_BYTES;

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
    let payloads: [&[u8]; 3] = [b"first", b"second", b"third"];
    let bytes = file(&payloads, NUMBER);
    let ends = [1, 2, 3].map(|count| file(&payloads[..count], NUMBER).len());
    let whole_before = |at: usize| ends.iter().filter(|end| **end <= at).count();
    for at in FILE_HEADER_LEN..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            let mut reader = RecordReader::new(&broken, NUMBER);
            let mut count = 0;
            while reader.next().is_some() {
                count += 1;
            }
            let place = whole_before(at);
            assert_eq!(count, place, "byte {at} bit {bit}");
            assert_eq!(reader.resync(), place < 2, "byte {at} bit {bit}");
        }
        assert_eq!(read(&bytes[..at]).len(), whole_before(at), "cut at {at}");
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
fn records_of_other_files_are_not_taken_at_the_same_offset() {
    for other in [6, NUMBER + (1 << 32), NUMBER + (1 << 63), 0] {
        let mut bytes = file(&[b"one", b"two"], other);
        let header = FileHeader { number: NUMBER, previous: 3 }.encode(LOG_MAGIC);
        bytes[..FILE_HEADER_LEN].copy_from_slice(&header);
        let mut reader = RecordReader::new(&bytes, NUMBER);
        assert!(reader.next().is_none() && !reader.is_at_end() && !reader.resync(), "{other}");
        let mut theirs = RecordReader::new(&bytes, other);
        assert!(theirs.next().is_some() && theirs.next().is_some(), "{other}");
    }
}

#[test]
fn a_sound_record_is_found_behind_what_looks_like_its_beginning() {
    // Its stamp is zero, so that places which overlap could begin a record.
    let number = 1 << 32;
    for len in 0..40 {
        let mut bytes = file(&[], number);
        bytes.resize(FILE_HEADER_LEN + len, 0);
        let offset = bytes.len() as u64;
        append_record(&mut bytes, number, offset, |out| out.push(1));
        let mut reader = RecordReader::new(&bytes, number);
        let found = reader.next().is_some() || reader.resync();
        assert!(found && reader.offset() >= offset, "behind {len} bytes");
    }
}

/// The beginning of a record of the file [`NUMBER`] that says it has `len` bytes.
fn claim(len: usize) -> [u8; RECORD_HEADER_LEN] {
    let mut header = [0; RECORD_HEADER_LEN];
    header[LEN_AT..STAMP_AT].copy_from_slice(&(len as u32).to_le_bytes());
    header[STAMP_AT..].copy_from_slice(&stamp_of(NUMBER));
    header
}

/// A broken record of `len` bytes, at every eighth of which a record begins by its looks that ends
/// where this one does; and a sound one behind it.
fn file_of_claims(len: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    while payload.len() + RECORD_HEADER_LEN <= len {
        let left = len - payload.len() - RECORD_HEADER_LEN;
        // The first four bytes of a header are any: here the stamp of the one before.
        payload.extend_from_slice(&claim(left)[if payload.is_empty() { 0 } else { LEN_AT }..]);
    }
    let mut bytes = file(&[&payload, b"sound"], NUMBER);
    bytes[FILE_HEADER_LEN] ^= 1;
    bytes
}

/// Sound records, with one between each two that is not and says that it takes the rest.
fn file_of_claims_between(len: usize) -> Vec<u8> {
    let mut bytes = file(&[], NUMBER);
    while bytes.len() < len {
        bytes.extend_from_slice(&claim(len - bytes.len()));
        let offset = bytes.len() as u64;
        append_record(&mut bytes, NUMBER, offset, |out| out.push(1));
    }
    bytes.resize(bytes.len() + len, 0);
    bytes
}

#[test]
fn the_search_behind_damage_takes_time_in_step_with_the_file() {
    for make in [file_of_claims, file_of_claims_between] {
        let [few, many] = [1 << 16, 1 << 18].map(|len| {
            let bytes = make(len);
            let before = SUMMED_BYTES.get();
            let mut reader = RecordReader::new(&bytes, NUMBER);
            let mut records = 0;
            while reader.resync() {
                records += std::iter::from_fn(|| reader.next()).count();
            }
            assert!(records > 0, "{len}");
            SUMMED_BYTES.get() - before
        });
        assert!(many < 5 * few, "{few} bytes summed, and {many} in a file four times as long");
    }
}

#[test]
fn other_versions_are_told_what_to_do() {
    for (version, advice) in [(1, "export it"), (3, "a newer esker"), (u32::MAX, "a newer esker")] {
        let header = FileHeader { number: 1, previous: 0 }.encode_as(version, LOG_MAGIC);
        let error = FileHeader::decode(&header, LOG_MAGIC, Path::new("f")).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
        assert!(error.to_string().contains(advice), "{error}");
    }
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
