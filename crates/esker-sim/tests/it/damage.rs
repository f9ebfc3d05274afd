//! Damage at rest: every byte of every file of a small database, every length, every file gone. The
//! answer is an error that names a file, or the right content; never a wrong one, never a panic.

use crate::{Content, DIRECTORY, content, fill, open};
use esker::{Db, Error, ErrorKind};
use esker_sim::SimVfs;
use std::path::Path;

/// Keys written, and how many of them are in tables.
const KEYS: u32 = 70;
const FLUSHED: u32 = 60;

/// A database with tables on two levels and a log, as a clean close leaves it, or a kill.
fn sample(is_closed: bool) -> (SimVfs, Content) {
    let vfs = SimVfs::new(1);
    let db = open(&vfs).unwrap();
    let mut expected = Content::new();
    fill(&db, &mut expected, 0..40);
    db.compact_range::<&[u8]>(..).unwrap();
    fill(&db, &mut expected, 30..60);
    db.flush().unwrap();
    fill(&db, &mut expected, FLUSHED..KEYS);
    if is_closed {
        drop(db);
        return (vfs, expected);
    }
    let vfs = vfs.kill();
    drop(db);
    (vfs, expected)
}

/// What opening and reading all gives; after damage to the log also what opening said of it.
fn read(vfs: &SimVfs) -> Result<(Content, bool), Error> {
    let db: Db = open(vfs)?;
    let found = content(&db)?;
    db.verify()?;
    Ok((found, db.recovery().torn_at.is_some()))
}

/// Damages a copy of the machine and checks the answer. As many as `may_lose` of the last writes
/// may be missing, if opening says so. Returns whether an error was given.
fn check(
    (vfs, expected): &(SimVfs, Content),
    path: &Path,
    what: &str,
    may_lose: u32,
    damage: impl Fn(&mut Vec<u8>),
) -> bool {
    let fork = vfs.fork();
    assert!(fork.damage(path, damage));
    let place = format!("{}: {what}", path.display());
    match read(&fork) {
        Ok((found, _)) if found == *expected => false,
        Ok((found, is_torn)) => {
            assert!(may_lose > 0 && is_torn, "{place}: other content, and no word of it");
            let mut prefixes = (KEYS - may_lose..KEYS).map(|keys| first(expected, keys));
            assert!(prefixes.any(|prefix| found == prefix), "{place}: not a prefix");
            false
        }
        Err(error) => {
            let kind = error.kind();
            let is_named = error.path().is_some_and(|path| path.starts_with(DIRECTORY));
            let is_right = matches!(kind, ErrorKind::Corruption | ErrorKind::Unsupported);
            assert!(is_right && is_named, "{place}: {kind:?} {error}");
            true
        }
    }
}

/// What the writes of the first `keys` keys left.
fn first(expected: &Content, keys: u32) -> Content {
    expected.range(..crate::key(keys)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Runs `damage` on every file but the lock; its last argument says how many writes are in a log.
fn each(is_closed: bool, damage: impl Fn(&(SimVfs, Content), &Path, u32) -> usize) {
    let sample = sample(is_closed);
    for path in sample.0.paths().iter().filter(|path| !path.ends_with("LOCK")) {
        let is_log = path.extension().is_some_and(|end| end == "log");
        let caught = damage(&sample, path, if is_log { KEYS - FLUSHED } else { 0 });
        println!("{}: {caught} errors", path.display());
    }
}

#[test]
fn a_bit_of_every_byte() {
    for is_closed in [true, false] {
        each(is_closed, |sample, path, may_lose| {
            let length = sample.0.content(path).unwrap().len();
            let flip = |at: usize| {
                let what = format!("byte {at} flipped");
                // A kill may tear the last write; after a close there is proof that it was whole.
                let may_lose = if is_closed { 0 } else { may_lose.min(1) };
                check(sample, path, &what, may_lose, |bytes| bytes[at] ^= 1 << (at % 8))
            };
            (0..length).filter(|at| flip(*at)).count()
        });
    }
}

#[test]
fn every_length() {
    for is_closed in [true, false] {
        each(is_closed, |sample, path, may_lose| {
            let length = sample.0.content(path).unwrap().len();
            let cut = |at: usize| {
                // A log says by its records alone how long it is.
                check(sample, path, &format!("cut at {at}"), may_lose, |bytes| bytes.truncate(at))
            };
            (0..length).filter(|at| cut(*at)).count()
        });
    }
}

#[test]
fn rubbish_behind_the_end() {
    each(true, |sample, path, _| {
        let old: Vec<u8> = sample.0.content(path).unwrap();
        let tails = [vec![0; 100], vec![0xff; 100], old];
        let tail = |tail: &&Vec<u8>| {
            check(sample, path, "a tail", 0, |bytes| bytes.extend_from_slice(tail))
        };
        tails.iter().filter(tail).count()
    });
}

#[test]
fn one_file_in_place_of_another() {
    let sample = sample(true);
    let paths = sample.0.paths();
    for path in &paths {
        for other in paths.iter().filter(|other| *other != path && !other.ends_with("LOCK")) {
            let content = sample.0.content(other).unwrap();
            let put = |bytes: &mut Vec<u8>| bytes.clone_from(&content);
            if !path.ends_with("LOCK") {
                let is_log = path.extension().is_some_and(|end| end == "log");
                let may_lose = if is_log { KEYS - FLUSHED } else { 0 };
                check(&sample, path, &format!("is {}", other.display()), may_lose, put);
            }
        }
    }
}

#[test]
fn each_file_gone() {
    use esker::vfs::Vfs;
    let (vfs, expected) = sample(true);
    for path in vfs.paths() {
        let fork = vfs.fork();
        fork.remove(&path).unwrap();
        match read(&fork) {
            Ok((found, _)) => assert_eq!(found, expected, "{}", path.display()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corruption, "{error}"),
        }
    }
}

#[test]
fn a_bit_of_every_byte_of_a_manifest_that_ends_with_an_ingestion() {
    use esker::{TableFile, WriteSettings};
    use std::sync::Arc;
    let (vfs, mut expected) = sample(true);
    let db = open(&vfs).unwrap();
    let path = Path::new("/store/made.sstable");
    let mut table =
        TableFile::create_in(Arc::new(vfs.clone()), path, WriteSettings::default()).unwrap();
    table.put(b"zz", b"ingested").unwrap();
    table.finish().unwrap();
    db.ingest(&[path]).unwrap();
    expected.insert(b"zz".to_vec(), b"ingested".to_vec());
    let sample = (vfs.kill(), expected);
    drop(db);
    let is_manifest = |path: &&std::path::PathBuf| path.to_string_lossy().contains("MANIFEST");
    let paths = sample.0.paths();
    let manifest = paths.iter().find(is_manifest).unwrap();
    let length = sample.0.content(manifest).unwrap().len();
    let flip = |at: &usize| {
        check(&sample, manifest, &format!("byte {at} flipped"), 0, |bytes| bytes[*at] ^= 1)
    };
    assert!((0..length).filter(flip).count() > 0);
}
