//! Single promises, each in a few lines.

use crate::{Content, DIRECTORY, content, fill, key, open, put};
use esker::vfs::Vfs;
use esker::{Db, ErrorKind};
use esker_sim::engine::settings;
use esker_sim::{Calls, Crash, Failure, OpKind, PowerCut, Rule, SimVfs};

#[test]
fn a_failed_sync_poisons_writes_until_reopen_and_reads_go_on() {
    for seed in 0..20 {
        let vfs = SimVfs::new(seed);
        let db = open(&vfs).unwrap();
        let mut expected = Content::new();
        fill(&db, &mut expected, 0..5);
        vfs.fail(Rule::new(Calls::Nth(1), Failure::Io).of(OpKind::Sync).at(".log"));
        assert_eq!(put(&db, b"lost", b"?").unwrap_err().kind(), ErrorKind::Io);
        for _ in 0..3 {
            assert_eq!(put(&db, b"no", b"?").unwrap_err().kind(), ErrorKind::Poisoned);
            assert_eq!(db.put(b"no", b"?").unwrap_err().kind(), ErrorKind::Poisoned);
            assert_eq!(db.get(&key(3)).unwrap().as_deref(), expected.get(&key(3)).map(|v| &v[..]));
        }
        let vfs = vfs.power_cut(PowerCut::any(seed));
        drop(db);
        let db = open(&vfs).unwrap();
        let mut found = content(&db).unwrap();
        found.remove(&b"lost"[..]);
        assert_eq!(found, expected);
        put(&db, b"no", b"yes").unwrap();
    }
}

/// What a sync that failed has dropped, the system still shows to who opens the database next, and
/// goes on behind it.
#[test]
fn what_a_failed_sync_dropped_of_the_manifest_is_on_disk_after_the_next_open() {
    for seed in 0..20 {
        let vfs = SimVfs::new(seed);
        let db = open(&vfs).unwrap();
        let mut expected = Content::new();
        fill(&db, &mut expected, 0..5);
        vfs.fail(Rule::new(Calls::Nth(1), Failure::Io).of(OpKind::Sync).at("MANIFEST"));
        assert_eq!(db.flush().unwrap_err().kind(), ErrorKind::Io);
        let vfs = vfs.kill();
        drop(db);
        let db = open(&vfs).unwrap();
        fill(&db, &mut expected, 5..10);
        let vfs = vfs.power_cut(PowerCut::any(seed));
        drop(db);
        assert_eq!(content(&open(&vfs).unwrap()).unwrap(), expected, "seed {seed}");
    }
}

/// Of a manifest whose last edit nobody synced, the next open may be cut off as it adds one more:
/// that one is not there without the other.
#[test]
fn a_cut_in_the_open_after_a_kill_leaves_a_manifest_that_can_be_read() {
    for seed in 0..300 {
        let vfs = SimVfs::new(seed);
        let db = open(&vfs).unwrap();
        let mut expected = Content::new();
        fill(&db, &mut expected, 0..5);
        let kill = Failure::Crash(Crash::Kill);
        vfs.fail(Rule::new(Calls::Nth(1), kill).of(OpKind::Sync).at("MANIFEST"));
        db.flush().unwrap_err();
        let vfs = vfs.restart();
        drop(db);
        let cut = Calls::Nth(1 + seed % 2);
        let crash = Failure::Crash(Crash::Power(PowerCut::any(seed)));
        vfs.fail(Rule::new(cut, crash).of(OpKind::Sync).at("MANIFEST"));
        let _ = open(&vfs);
        let vfs = vfs.restart();
        let db = open(&vfs).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(content(&db).unwrap(), expected, "seed {seed}");
    }
}

/// Threads that write again as soon as their writes are on disk share their syncs: 20 would do, 56
/// and more were made when none waited for others. What they were told is there after a power cut.
#[test]
fn writers_meet_for_each_sync() {
    const WRITERS: u32 = 4;
    const WRITES: u32 = 20;
    for seed in 0..20 {
        let vfs = SimVfs::new(seed);
        vfs.take_turns();
        let db = open(&vfs).unwrap();
        let before = db.stats().syncs;
        let turns = vfs.turns().unwrap();
        let start = |writer| {
            let db = db.clone();
            let keys = writer * WRITES..(writer + 1) * WRITES;
            let work = move || keys.for_each(|number| put(&db, &key(number), b"?").unwrap());
            turns.spawn(format!("writer {writer}"), Box::new(work)).unwrap()
        };
        let writers: Vec<_> = (0..WRITERS).map(start).collect();
        for writer in writers {
            turns.join(writer.thread().id());
            writer.join().unwrap();
        }
        let syncs = db.stats().syncs - before;
        assert!(syncs <= u64::from(2 * (WRITES + WRITERS)), "{syncs} syncs, seed {seed}");
        let vfs = vfs.power_cut(PowerCut::any(seed));
        drop(db);
        let found = content(&open(&vfs).unwrap()).unwrap();
        assert_eq!(found.len() as u32, WRITERS * WRITES, "seed {seed}");
    }
}

#[test]
fn a_second_opening_is_refused_until_the_first_ends() {
    let vfs = SimVfs::new(1);
    let db = open(&vfs).unwrap();
    assert_eq!(open(&vfs).unwrap_err().kind(), ErrorKind::Locked);
    let snapshot = db.snapshot();
    drop(db);
    assert_eq!(open(&vfs).unwrap_err().kind(), ErrorKind::Locked, "a snapshot keeps it open");
    drop(snapshot);
    open(&vfs).unwrap();
}

#[test]
fn room_on_a_full_disk_lets_it_go_on_without_loss() {
    for room in (0..3000).step_by(37) {
        let vfs = SimVfs::new(room);
        let db = open(&vfs).unwrap();
        let mut expected = Content::new();
        fill(&db, &mut expected, 0..10);
        vfs.set_capacity(Some(vfs.used() + room));
        let full = (10..200).find(|number| {
            let done = put(&db, &key(*number), &[7; 50]);
            if done.is_ok() {
                expected.insert(key(*number), vec![7; 50]);
            }
            done.is_err()
        });
        let full = full.unwrap();
        assert_eq!(content(&db).unwrap(), expected, "{room}: what failed does not show");
        vfs.set_capacity(None);
        put(&db, &key(full), b"again").unwrap();
        expected.insert(key(full), b"again".to_vec());
        let vfs = vfs.power_cut(PowerCut::any(room));
        drop(db);
        assert_eq!(content(&open(&vfs).unwrap()).unwrap(), expected, "{room}");
    }
}

#[test]
fn a_checkpoint_holds_what_was_there_whenever_the_power_goes() {
    let copy = "/store/copy";
    let begin = || {
        let vfs = SimVfs::new(5);
        let db = open(&vfs).unwrap();
        let mut expected = Content::new();
        fill(&db, &mut expected, 0..20);
        db.flush().unwrap();
        fill(&db, &mut expected, 20..30);
        (vfs, db, expected)
    };
    let (vfs, db, _) = begin();
    let before = vfs.calls();
    db.checkpoint(copy).unwrap();
    let calls = vfs.calls() - before;
    for n in 1..=calls + 20 {
        for cut in PowerCut::every(n) {
            let (vfs, db, mut expected) = begin();
            vfs.crash_at(n, Crash::Power(cut));
            let done = db.checkpoint(copy).is_ok() && vfs.down().is_none();
            let copied = expected.clone();
            if done {
                fill_until_dead(&db, &mut expected);
            }
            let vfs = vfs.restart();
            drop(db);
            let found = content(&open(&vfs).unwrap()).unwrap();
            // The write that met the crash is there or not.
            assert!(expected.iter().all(|pair| found.get(pair.0) == Some(pair.1)), "{n} {cut}");
            assert!(found.len() <= expected.len() + 1, "{n} {cut}");
            if done {
                let copy = Db::open(copy, settings(&vfs, 3)).unwrap();
                assert_eq!(content(&copy).unwrap(), copied, "{n} {cut}");
            }
        }
    }
}

fn fill_until_dead(db: &Db, expected: &mut Content) {
    for number in 100..120 {
        if put(db, &key(number), b"later").is_err() {
            break;
        }
        expected.insert(key(number), b"later".to_vec());
    }
}

#[test]
fn a_reader_beside_the_writer_changes_nothing_and_sees_a_prefix() {
    let vfs = SimVfs::new(5);
    let db = open(&vfs).unwrap();
    let mut states = vec![Content::new()];
    for round in 0..40_u32 {
        db.put(&key(round % 7), &[round as u8; 300]).unwrap();
        let mut state = states.last().unwrap().clone();
        state.insert(key(round % 7), vec![round as u8; 300]);
        states.push(state);
        let before = vfs.fingerprint();
        let reader = Db::open_read_only(DIRECTORY, settings(&vfs, 3)).unwrap();
        let found: Content = reader.iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(found, *states.last().unwrap(), "round {round}");
        drop(reader);
        assert_eq!(vfs.fingerprint(), before, "a reader wrote");
        if round % 9 == 0 {
            db.flush().unwrap();
        }
    }
}
