//! Edits come back; every damage is told, or leaves the state before.

use super::*;
use crate::vfs::MemVfs;

const DIRECTORY: &str = "db";

fn table(number: u64) -> TableMeta {
    TableMeta {
        number,
        file_bytes: 100,
        entries: 3,
        tombstones: 1,
        smallest: b"a".as_slice().into(),
        largest: b"zz".as_slice().into(),
        smallest_sequence: 1,
        largest_sequence: 9,
        digest: 77,
        ingested_at: (number == 3).then_some(0),
    }
}

fn write(vfs: &MemVfs) -> Vec<ManifestState> {
    vfs.create_directory(Path::new(DIRECTORY)).unwrap();
    let mut states = Vec::new();
    let whole = ManifestState { log_number: 1, next_number: 5, ..ManifestState::default() };
    let mut manifest = Manifest::create(vfs, Path::new(DIRECTORY), 4, whole).unwrap();
    let edits = [
        Edit { added: vec![(0, table(2)), (0, table(3))], ..Edit::default() },
        Edit {
            added: vec![(1, table(6))],
            removed: vec![(0, 2), (0, 3)],
            last_sequence: Some(9),
            ..Edit::default()
        },
    ];
    states.push(read(vfs).unwrap());
    for edit in edits {
        manifest.append(vfs, &edit, || 9).unwrap();
        assert_eq!(manifest.number(), 4);
        states.push(read(vfs).unwrap());
    }
    states
}

fn read(vfs: &MemVfs) -> Result<ManifestState> {
    let number = read_current(vfs, Path::new(DIRECTORY))?.unwrap();
    read_manifest(vfs, Path::new(DIRECTORY), number)
}

fn replace(vfs: &MemVfs, name: &str, bytes: &[u8]) {
    let path = Path::new(DIRECTORY).join(name);
    vfs.remove(&path).unwrap();
    vfs.open_write(&path).unwrap().write_all_at(bytes, 0).unwrap();
}

#[test]
fn edits_come_back() {
    let vfs = MemVfs::default();
    let states = write(&vfs);
    assert_eq!(states[0].tables.len(), 0);
    assert_eq!(states[1].tables[&3], (0, table(3)));
    assert_eq!(states[2].tables.values().cloned().collect::<Vec<_>>(), [(1, table(6))]);
    assert_eq!((states[2].last_sequence, states[2].log_number, states[2].next_number), (9, 1, 5));
    let mut bytes = Vec::new();
    states[1].whole().encode(&mut bytes);
    assert_eq!(Edit::decode(&bytes), Ok(states[1].whole()));
}

#[test]
fn every_cut_and_flip_leaves_a_state_that_was_or_an_error() {
    let vfs = MemVfs::default();
    let states = write(&vfs);
    let name = manifest_name(4);
    let bytes = read_whole(&vfs, &Path::new(DIRECTORY).join(&name)).unwrap();
    for at in 0..bytes.len() {
        replace(&vfs, &name, &bytes[..at]);
        if let Ok(state) = read(&vfs) {
            assert!(states.contains(&state), "cut at {at}");
        }
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            replace(&vfs, &name, &broken);
            match read(&vfs) {
                Ok(state) => {
                    assert!(state == states[2] || state == states[1], "byte {at} bit {bit}");
                }
                Err(error) => assert_ne!(error.kind(), crate::ErrorKind::InvalidInput),
            }
        }
    }
}

#[test]
fn a_current_that_is_not_ours_is_told() {
    let vfs = MemVfs::default();
    write(&vfs);
    let good = read_whole(&vfs, &Path::new(DIRECTORY).join(CURRENT)).unwrap();
    for at in 0..good.len() {
        replace(&vfs, CURRENT, &good[..at]);
        assert!(read(&vfs).is_err(), "cut at {at}");
    }
    for bad in [&b"MANIFEST-000004\n"[..], b"\n", &[&good[..], &good[..]].concat()] {
        replace(&vfs, CURRENT, bad);
        let error = read(&vfs).unwrap_err().to_string();
        assert!(error.contains("CURRENT"), "{error}");
    }
}

#[test]
fn a_long_manifest_is_written_anew() {
    let vfs = MemVfs::default();
    write(&vfs);
    let state = read(&vfs).unwrap();
    let mut manifest = Manifest::create(&vfs, Path::new(DIRECTORY), 10, state).unwrap();
    let mut next = 11;
    for number in 100..20_000 {
        let last = Some(number);
        let edit = Edit { added: vec![(0, table(number))], last_sequence: last, ..Edit::default() };
        let undo = Edit { removed: vec![(0, number)], ..Edit::default() };
        for edit in [edit, undo] {
            let new_number = || {
                next += 1;
                next
            };
            manifest.append(&vfs, &edit, new_number).unwrap();
        }
    }
    assert!(manifest.number() > 10 && read(&vfs).unwrap() == *manifest.state());
    let manifests = vfs.list(Path::new(DIRECTORY)).unwrap();
    assert_eq!(manifests.iter().filter(|name| name.starts_with("MANIFEST")).count(), 2);
}

#[test]
fn a_manifest_goes_on_behind_its_last_edit() {
    let vfs = MemVfs::default();
    let before = write(&vfs).pop().unwrap();
    let resume = |state| Manifest::resume(&vfs, Path::new(DIRECTORY), 4, state).unwrap();
    for round in 0..3_u64 {
        let mut manifest = resume(read(&vfs).unwrap()).unwrap();
        assert_eq!((manifest.number(), manifest.whole_bytes), (4, 79));
        let mut after = manifest.state().clone();
        after.tables.insert(20 + round, (0, table(20 + round)));
        (after.log_number, after.next_number) = (30 + round, 40 + round);
        let edit = after.since(manifest.state());
        assert_eq!(edit.added, [(0, table(20 + round))]);
        manifest.append(&vfs, &edit, || 9).unwrap();
        assert_eq!((manifest.state(), &read(&vfs).unwrap()), (&after, &after));
    }
    // Not behind what is torn, nor behind zeros, which a power cut may leave.
    let name = manifest_name(4);
    let bytes = read_whole(&vfs, &Path::new(DIRECTORY).join(&name)).unwrap();
    for cut in 1..30 {
        replace(&vfs, &name, &bytes[..bytes.len() - cut]);
        assert!(resume(before.clone()).is_none(), "without the last {cut} bytes");
    }
    replace(&vfs, &name, &[&bytes[..], &[0; 100]].concat());
    assert!(resume(before).is_none(), "before zeros");
}

#[test]
fn a_long_manifest_is_not_gone_on_with() {
    let vfs = MemVfs::default();
    write(&vfs);
    let resume = || Manifest::resume(&vfs, Path::new(DIRECTORY), 4, read(&vfs).unwrap()).unwrap();
    let mut manifest = resume().unwrap();
    let edit = Edit { log_number: Some(1), ..Edit::default() };
    while manifest.offset <= RESUME_BYTES {
        assert!(manifest.offset % 100 > 0 || resume().is_some(), "{} bytes", manifest.offset);
        manifest.append(&vfs, &edit, || 9).unwrap();
    }
    assert!(resume().is_none());
}
