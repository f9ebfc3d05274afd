//! Each fault does what it says, and the same seed gives the same bytes.

use super::*;
use crate::random::Random;
use esker::Result;
use esker::vfs::Vfs;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

const A: &str = "/db/a";
const B: &str = "/db/b";

/// A machine whose directory `/db` is durable.
fn machine() -> SimVfs {
    let vfs = SimVfs::new(7);
    vfs.create_directory(Path::new("/db")).unwrap();
    vfs.sync_directory(Path::new("/")).unwrap();
    vfs
}

fn write(vfs: &SimVfs, path: &str, bytes: &[u8]) -> Box<dyn esker::vfs::AppendFile> {
    let mut file = vfs.create(Path::new(path)).unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn read(vfs: &SimVfs, path: &str) -> Option<Vec<u8>> {
    let file = vfs.open(Path::new(path)).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

fn sync_names(vfs: &SimVfs) {
    vfs.sync_directory(Path::new("/db")).unwrap();
}

fn cut(data: DataFate, names: NamesFate, seed: u64) -> PowerCut {
    PowerCut { data, names, seed }
}

fn kind<T>(result: Result<T>) -> io::ErrorKind {
    result.err().unwrap().io_error().unwrap().kind()
}

#[test]
fn a_kill_loses_nothing_that_was_written() {
    let vfs = machine();
    write(&vfs, A, b"hello");
    assert_eq!(read(&vfs.kill(), A).unwrap(), b"hello");
}

#[test]
fn the_dead_do_nothing() {
    let vfs = machine();
    let mut file = write(&vfs, A, b"hello");
    let next = vfs.kill();
    assert!(file.write_all(b"!").is_err());
    assert!(file.sync().is_err());
    assert!(vfs.remove(Path::new(A)).is_err());
    assert_eq!(read(&next, A).unwrap(), b"hello");
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_only_that_is_sure() {
    for cut in PowerCut::every(3) {
        let vfs = machine();
        write(&vfs, A, b"hello").sync().unwrap();
        sync_names(&vfs);
        write(&vfs, B, b"world");
        let next = vfs.power_cut(cut);
        assert_eq!(read(&next, A).unwrap(), b"hello", "{cut}");
        assert_eq!(PowerCut::parse(&cut.to_string()), Some(cut));
    }
}

#[test]
fn a_synced_file_without_a_synced_name_is_gone() {
    let vfs = machine();
    write(&vfs, A, b"hello").sync().unwrap();
    assert_eq!(read(&vfs.power_cut(cut(DataFate::Kept, NamesFate::Lost, 1)), A), None);
}

#[test]
fn a_synced_name_without_synced_content_is_empty() {
    let vfs = machine();
    write(&vfs, A, b"hello");
    sync_names(&vfs);
    let next = vfs.power_cut(cut(DataFate::Lost, NamesFate::Lost, 1));
    assert_eq!(read(&next, A).unwrap(), b"");
}

#[test]
fn a_directory_that_was_not_synced_takes_all_below_it() {
    let vfs = SimVfs::new(1);
    vfs.create_directory(Path::new("/db")).unwrap();
    write(&vfs, A, b"hello").sync().unwrap();
    sync_names(&vfs);
    let next = vfs.power_cut(cut(DataFate::Kept, NamesFate::Lost, 1));
    assert_eq!(read(&next, A), None);
    assert!(next.list(Path::new("/db")).is_err());
}

/// What `/db/a` can hold after a cut, over many seeds: synced `old-`, then `new` appended.
fn outcomes(data: DataFate) -> BTreeSet<Vec<u8>> {
    let after = |seed| {
        let vfs = machine();
        write(&vfs, B, b"rubbish").sync().unwrap();
        vfs.remove(Path::new(B)).unwrap();
        let mut file = write(&vfs, A, b"old-");
        file.sync().unwrap();
        sync_names(&vfs);
        file.write_all(b"new").unwrap();
        read(&vfs.power_cut(cut(data, NamesFate::Kept, seed)), A).unwrap()
    };
    (0..200).map(after).collect()
}

#[test]
fn unsynced_bytes_are_lost_kept_torn_zeroed_or_stale() {
    let set = |all: &[&[u8]]| all.iter().map(|bytes| bytes.to_vec()).collect::<BTreeSet<_>>();
    assert_eq!(outcomes(DataFate::Lost), set(&[b"old-"]));
    assert_eq!(outcomes(DataFate::Kept), set(&[b"old-new"]));
    assert_eq!(outcomes(DataFate::Torn), set(&[b"old-", b"old-n", b"old-ne", b"old-new"]));
    assert_eq!(outcomes(DataFate::Sectors), set(&[b"old-", b"old-new"]));
    assert_eq!(outcomes(DataFate::Zeroed), set(&[b"old-\0\0\0"]));
    assert_eq!(outcomes(DataFate::Stale), set(&[b"old-ish"]));
    assert!(outcomes(DataFate::Mixed).len() >= 6);
}

#[test]
fn sectors_are_reordered() {
    let holes = (0..50).any(|seed| {
        let vfs = machine();
        write(&vfs, A, &[1; 2048]);
        sync_names(&vfs);
        let next = vfs.power_cut(cut(DataFate::Sectors, NamesFate::Kept, seed));
        let content = read(&next, A).unwrap();
        content.len() == 2048 && content[..512] == [0; 512] && content[1536..] == [1; 512]
    });
    assert!(holes);
}

#[test]
fn a_rename_is_atomic_and_independent_of_a_removal() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let vfs = machine();
        write(&vfs, A, b"1").sync().unwrap();
        write(&vfs, "/db/t", b"2").sync().unwrap();
        write(&vfs, "/db/old", b"3").sync().unwrap();
        sync_names(&vfs);
        vfs.rename(Path::new("/db/t"), Path::new(A)).unwrap();
        vfs.remove(Path::new("/db/old")).unwrap();
        let next = vfs.power_cut(cut(DataFate::Kept, NamesFate::Mixed, seed));
        seen.insert((
            read(&next, A).unwrap(),
            read(&next, "/db/t").is_some(),
            read(&next, "/db/old").is_some(),
        ));
    }
    let (old, new) = (b"1".to_vec(), b"2".to_vec());
    let all = [(&old, true, true), (&old, true, false), (&new, false, true), (&new, false, false)];
    assert_eq!(seen, all.into_iter().map(|(c, t, o)| (c.clone(), t, o)).collect());
}

#[test]
fn a_kill_does_not_lose_what_a_cut_can_bring_back() {
    let vfs = machine();
    write(&vfs, A, b"old").sync().unwrap();
    write(&vfs, B, b"new").sync().unwrap();
    sync_names(&vfs);
    vfs.rename(Path::new(B), Path::new(A)).unwrap();
    let next = vfs.kill().power_cut(cut(DataFate::Kept, NamesFate::Lost, 1));
    assert_eq!(read(&next, A).unwrap(), b"old");
    assert_eq!(read(&next, B).unwrap(), b"new");
}

#[test]
fn with_one_journal_names_are_lost_from_the_end() {
    for seed in 0..50 {
        let vfs = machine();
        write(&vfs, A, b"");
        write(&vfs, B, b"");
        let next = vfs.power_cut(cut(DataFate::Kept, NamesFate::Prefix, seed));
        assert!(read(&next, A).is_some() || read(&next, B).is_none());
    }
}

#[test]
fn a_second_name_shares_the_content() {
    let vfs = machine();
    let mut file = write(&vfs, A, b"x");
    vfs.link(Path::new(A), Path::new(B)).unwrap();
    assert_eq!(kind(vfs.link(Path::new(A), Path::new(B))), io::ErrorKind::AlreadyExists);
    file.write_all(b"y").unwrap();
    vfs.remove(Path::new(A)).unwrap();
    assert_eq!(read(&vfs, B).unwrap(), b"xy");
}

#[test]
fn a_recycled_file_keeps_its_stale_content() {
    let vfs = machine();
    write(&vfs, A, b"old records").sync().unwrap();
    vfs.rename(Path::new(A), Path::new(B)).unwrap();
    let file = vfs.open_write(Path::new(B)).unwrap();
    file.write_all_at(b"new", 0).unwrap();
    assert_eq!(read(&vfs, B).unwrap(), b"new records");
}

#[test]
fn a_failed_sync_drops_what_was_dirty_and_the_next_one_says_ok() {
    let mut lost = 0;
    for seed in 0..40 {
        let vfs = SimVfs::new(seed);
        let mut file = vfs.create(Path::new("/a")).unwrap();
        file.write_all(b"hello").unwrap();
        vfs.sync_directory(Path::new("/")).unwrap();
        vfs.fail(Rule::new(Calls::Nth(1), Failure::Io).of(OpKind::Sync));
        assert!(file.sync().is_err());
        file.sync().unwrap();
        let next = vfs.power_cut(cut(DataFate::Kept, NamesFate::Kept, 1));
        lost += u32::from(read(&next, "/a").unwrap() != b"hello");
    }
    assert!((10..40).contains(&lost), "{lost}");
}

#[test]
fn a_skipped_sync_says_ok_and_does_nothing() {
    let vfs = machine();
    vfs.fail(Rule::new(Calls::From(1), Failure::Skipped).of(OpKind::Sync));
    write(&vfs, A, b"hello").sync().unwrap();
    let after = Rule::new(Calls::From(1), Failure::Skipped).after(OpKind::Create, "db/b");
    vfs.fail(after);
    sync_names(&vfs);
    drop(vfs.create(Path::new(B)).unwrap());
    sync_names(&vfs);
    let fork = vfs.fork().power_cut(cut(DataFate::Lost, NamesFate::Lost, 1));
    assert_eq!(read(&fork, A).unwrap(), b"");
    assert_eq!(read(&fork, B), None);
    assert_eq!(read(&vfs, A).unwrap(), b"hello", "the first machine goes on");
}

#[test]
fn the_nth_call_fails_or_all_from_it_on() {
    let vfs = machine();
    vfs.fail(Rule::new(Calls::Nth(2), Failure::Io).of(OpKind::Create).at("/db/"));
    write(&vfs, A, b"");
    assert_eq!(kind(vfs.create(Path::new(B))), io::ErrorKind::Other);
    write(&vfs, B, b"");
    vfs.fail(Rule::new(Calls::From(2), Failure::Io).of(OpKind::Open).of(OpKind::List));
    assert!(vfs.open(Path::new(A)).is_ok());
    assert!(vfs.open(Path::new(A)).is_err());
    assert!(vfs.list(Path::new("/db")).is_err());
    vfs.heal();
    assert_eq!(vfs.list(Path::new("/db")).unwrap(), ["a", "b"]);
}

#[test]
fn calls_fail_by_chance() {
    let vfs = machine();
    vfs.fail(Rule::new(Calls::OneIn(4), Failure::Io).of(OpKind::List));
    let failed = (0..400).filter(|_| vfs.list(Path::new("/db")).is_err()).count();
    assert!((50..150).contains(&failed), "{failed}");
}

#[test]
fn a_full_disk_takes_a_part_and_freed_space_helps() {
    let vfs = machine();
    write(&vfs, A, &[0; 60]);
    vfs.set_capacity(Some(100));
    let mut file = vfs.create(Path::new(B)).unwrap();
    let error = file.write_all(&[1; 60]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(vfs.used(), 100);
    vfs.remove(Path::new(A)).unwrap();
    file.write_all(&[1; 60]).unwrap();
    vfs.fail(Rule::new(Calls::Nth(1), Failure::NoSpace));
    assert_eq!(read(&vfs, B).unwrap().len(), 100, "reads need no space");
    assert_eq!(kind(vfs.create(Path::new(A))), io::ErrorKind::StorageFull);
}

#[test]
fn reads_and_writes_can_be_short() {
    let vfs = machine();
    vfs.fail(Rule::new(Calls::OneIn(2), Failure::Short).of(OpKind::Write));
    let bytes: Vec<u8> = (0..100).collect();
    let mut file = vfs.create(Path::new(A)).unwrap();
    file.write_all(&bytes).unwrap();
    vfs.open_write(Path::new(B)).unwrap().write_all_at(&bytes, 0).unwrap();
    vfs.heal();
    assert_eq!(read(&vfs, A).unwrap(), bytes);
    assert_eq!(read(&vfs, B).unwrap(), bytes);
    vfs.fail(Rule::new(Calls::Nth(1), Failure::Short));
    let mut buf = [0; 100];
    let short = vfs.open(Path::new(A)).unwrap().read_exact_at(&mut buf, 0);
    assert_eq!(short.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn bits_flip_at_rest_and_in_reads() {
    let vfs = machine();
    write(&vfs, A, b"aaaa").sync().unwrap();
    sync_names(&vfs);
    vfs.fail(Rule::new(Calls::Nth(2), Failure::FlippedBit));
    let wrong = read(&vfs, A).unwrap();
    let bits: u32 = wrong.iter().map(|byte| (byte ^ b'a').count_ones()).sum();
    assert_eq!(bits, 1);
    assert!(vfs.damage(Path::new(A), |content| content[2] ^= 1));
    assert!(!vfs.damage(Path::new(B), |_| {}));
    assert_eq!(read(&vfs.power_cut(PowerCut::any(1)), A).unwrap(), b"aa`a");
}

#[test]
fn a_crash_at_the_nth_call_ends_the_process_and_its_locks() {
    let vfs = machine();
    let held = vfs.lock(Path::new("/db/LOCK")).unwrap();
    assert_eq!(vfs.lock(Path::new("/db/LOCK")).err().unwrap().kind(), esker::ErrorKind::Locked);
    vfs.crash_at(2, Crash::Kill);
    assert!(vfs.list(Path::new("/db")).is_ok());
    assert!(vfs.list(Path::new("/db")).is_err());
    assert_eq!(vfs.down(), Some(Crash::Kill));
    assert!(vfs.list(Path::new("/db")).is_err());
    let next = vfs.restart();
    assert!(next.list(Path::new("/db")).is_ok());
    let again = next.lock(Path::new("/db/LOCK")).unwrap();
    drop(held);
    assert!(next.lock(Path::new("/db/LOCK")).is_err(), "the dead let go of nothing");
    drop(again);
    assert!(next.lock(Path::new("/db/LOCK")).is_ok());
}

#[test]
fn a_crash_in_a_write_may_leave_a_part_of_it() {
    let lengths: BTreeSet<usize> = (0..200)
        .map(|seed| {
            let vfs = SimVfs::new(seed);
            let mut file = vfs.create(Path::new("/a")).unwrap();
            vfs.crash_at(1, Crash::Kill);
            assert!(file.write_all(b"abcd").is_err());
            read(&vfs.restart(), "/a").unwrap().len()
        })
        .collect();
    assert_eq!(lengths, (0..4).collect());
}

/// Many calls of all kinds, with faults and cuts, and what is left in the end.
fn workout(seed: u64) -> (u64, Vec<String>) {
    let mut random = Random::new(seed);
    let mut vfs = SimVfs::new(seed);
    vfs.trace();
    for round in 0..200 {
        let path = format!("/{}", random.below(5));
        let path = Path::new(&path);
        match random.below(9) {
            0 => drop(vfs.create(path).map(|mut file| {
                let _ = file.write_all(&[round; 700]);
                let _ = file.sync();
            })),
            1 => drop(vfs.open_write(path).map(|file| file.write_all_at(&[round; 30], 9))),
            2 => drop(vfs.rename(path, Path::new("/0"))),
            3 => drop(vfs.remove(path)),
            4 => drop(vfs.sync_directory(Path::new("/"))),
            5 => vfs = vfs.power_cut(PowerCut::any(random.bits())),
            6 => vfs.crash_at(random.below(9), Crash::Power(PowerCut::any(random.bits()))),
            7 => vfs.fail(Rule::new(Calls::OneIn(7), Failure::Io)),
            _ if vfs.down().is_some() => vfs = vfs.restart(),
            _ => drop(vfs.list(Path::new("/"))),
        }
    }
    (vfs.fingerprint(), vfs.take_trace())
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let mut different = BTreeSet::new();
    for seed in 0..20 {
        let first = workout(seed);
        assert_eq!(first, workout(seed));
        assert!(!first.1.is_empty());
        different.insert(first.0);
    }
    assert!(different.len() > 15, "{}", different.len());
}
