//! Bulk loads on threads: what is in memory, and what goes wrong.

use super::feed::{Bounds, Feed, Taker};
use super::*;
use crate::db::fault_tests::settings;
use crate::db::faulty::Faulty;
use crate::{Result, Settings};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

fn piece(number: u64) -> WriteBatch {
    let mut piece = WriteBatch::new();
    piece.put(&number.to_be_bytes(), &[7; 90]).unwrap();
    piece
}

fn number(piece: &WriteBatch) -> u64 {
    let entry = decode(&mut piece.operations(), 0).unwrap();
    u64::from_be_bytes(entry.key.try_into().unwrap())
}

/// The numbers of what there is of `table`.
fn take_all(taker: &Taker, table: usize) -> Vec<u64> {
    std::iter::from_fn(|| taker.next_piece(table)).map(|piece| number(&piece)).collect()
}

#[test]
fn a_feed_gives_each_writer_its_table_and_divides_the_last() {
    let feed = Feed::new(Bounds { piece_bytes: 100, bytes: 1000 });
    for n in 0..9 {
        feed.push(piece(n), n == 1);
    }
    let mut takers = [0, 1, 2].map(|_| Taker::new(feed.clone()));
    assert_eq!([takers[0].next_table(), takers[1].next_table()], [Some(0), Some(1)]);
    assert_eq!(number(&takers[1].next_piece(1).unwrap()), 2);
    assert_eq!(take_all(&takers[0], 0), [0, 1]);
    feed.close();
    assert_eq!(takers[2].next_table(), Some(2));
    assert_eq!(take_all(&takers[1], 1), [3, 4, 5]);
    assert_eq!(number(&takers[2].next_piece(2).unwrap()), 6);
    assert_eq!(take_all(&takers[2], 2), [7, 8]);
    assert!(takers.iter_mut().all(|taker| taker.next_table().is_none()));
    drop(takers);
    assert!(!feed.is_over());
}

#[test]
fn a_writer_that_goes_too_early_ends_all() {
    let feed = Feed::new(Bounds { piece_bytes: 100, bytes: 200 });
    let (mut stays, mut goes) = (Taker::new(feed.clone()), Taker::new(feed.clone()));
    feed.push(piece(0), true);
    feed.push(piece(1), false);
    assert_eq!([goes.next_table(), stays.next_table()], [Some(0), Some(1)]);
    drop(goes);
    assert!(feed.room().is_none(), "and does not wait");
    assert!(stays.next_piece(1).is_none());
    assert!(stays.next_table().is_none());
}

#[test]
fn a_feed_holds_no_more_than_its_bound() {
    const PIECES: u64 = 1000;
    let bytes = piece(0).operations().len();
    let feed = Feed::new(Bounds { piece_bytes: bytes, bytes: 5 * bytes });
    let (held, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (mut most, mut has_room) = (0, true);
    let take = |mut taker: Taker| {
        while let Some(table) = taker.next_table() {
            while let Some(piece) = taker.next_piece(table) {
                taken.fetch_add(1, Ordering::Relaxed);
                held.fetch_sub(1, Ordering::Relaxed);
                taker.give_back(piece);
            }
        }
    };
    std::thread::scope(|scope| {
        for taker in [0, 1, 2].map(|_| Taker::new(feed.clone())) {
            scope.spawn(move || take(taker));
        }
        for n in 0..PIECES {
            most = most.max(held.fetch_add(1, Ordering::Relaxed));
            feed.push(piece(n), n % 10 == 9);
            has_room &= feed.room().is_some();
        }
        feed.close();
    });
    assert!(has_room && most < 5, "{most} pieces before another");
    assert_eq!(taken.into_inner() as u64, PIECES);
}

/// Puts so many entries of 100 bytes, from `first` on.
fn fill(first: u32, count: u32) -> impl FnOnce(&mut BulkLoad<'_>) -> Result<()> {
    move |load| {
        let mut keys = first..first + count;
        keys.try_for_each(|n| load.put(&n.to_be_bytes(), &[7; 100]))
    }
}

fn threads(vfs: &Faulty, count: usize) -> Settings {
    // Enough memory that threads write.
    let settings = settings(vfs, count);
    assert!(Writers::bounds(count, 4 << 10).bytes < settings.memory_budget_bytes / 4);
    settings
}

#[test]
fn a_load_whose_writer_fails_says_so_and_leaves_nothing() {
    for count in [1, 3] {
        let vfs = Faulty::default();
        let db = Db::open("db", threads(&vfs, count)).unwrap();
        let clean = vfs.names("");
        for op in ["create", "append", "sync", "rename"] {
            for nth in [1, 2, 5, 20] {
                let mut left = nth;
                vfs.fail(move |done, path| {
                    let hits = done == op && path.contains(".sstable");
                    left -= i32::from(hits && left > 0);
                    (hits && left == 0).then_some(0)
                });
                let failed = db.bulk_load(fill(0, 1000)).unwrap_err();
                assert_eq!(failed.kind(), crate::ErrorKind::Io, "{op} {nth}: {failed}");
                vfs.heal();
                assert_eq!(vfs.names(""), clean, "{op} {nth}");
            }
        }
        assert_eq!(db.bulk_load(fill(0, 1000)).unwrap(), 1000);
        assert_eq!(db.iter().count(), 1000);
    }
}

#[test]
fn who_fills_is_told_when_a_writer_fails_and_cannot_make_up_for_it() {
    for count in [0, 2] {
        cannot_make_up_for_a_failure(count);
    }
}

fn cannot_make_up_for_a_failure(count: usize) {
    let vfs = Faulty::default();
    let db = Db::open("db", threads(&vfs, count)).unwrap();
    let clean = vfs.names("");
    vfs.fail(|op, path| (op == "create" && path.contains(".sstable")).then_some(0));
    // It would not end by itself.
    let failed = db.bulk_load(fill(0, u32::MAX)).unwrap_err();
    assert_eq!(failed.kind(), crate::ErrorKind::Io, "{failed}");
    let failed = db.bulk_load(|load| {
        let failed = fill(0, u32::MAX)(load).unwrap_err();
        assert_eq!(failed.kind(), crate::ErrorKind::Io, "{failed}");
        vfs.heal();
        // What was gathered is gone: the rest alone is not to be taken.
        let _ = fill(u32::MAX - 100, 100)(load);
        Ok::<_, Error>(())
    });
    assert!(failed.unwrap_err().to_string().contains("given up"));
    assert_eq!(vfs.names(""), clean);
}

#[test]
fn a_panic_while_loading_leaves_nothing_and_waits_for_nobody() {
    let vfs = Faulty::default();
    let db = Db::open("db", threads(&vfs, 2)).unwrap();
    let clean = vfs.names("");
    vfs.fail(|op, path| {
        assert!(op != "append" || !path.contains(".sstable"), "planned");
        None
    });
    let failed = db.bulk_load(fill(0, u32::MAX)).unwrap_err();
    assert!(failed.to_string().contains("panicked"), "{failed}");
    vfs.heal();
    let pinned = db.stats().pinned_bytes;
    let filled = catch_unwind(AssertUnwindSafe(|| {
        db.bulk_load(|load| {
            fill(0, 1000)(load)?;
            if load.gathered_bytes > 0 { panic!("planned") } else { Ok::<_, Error>(()) }
        })
    }));
    assert!(filled.is_err());
    assert_eq!(vfs.names(""), clean);
    assert_eq!(db.core().loads.load(Ordering::Relaxed), 0);
    assert_eq!(db.stats().pinned_bytes, pinned);
    assert_eq!(db.bulk_load(fill(0, 1000)).unwrap(), 1000);
}

#[test]
fn entries_may_be_larger_than_all_that_is_held_at_a_time() {
    let vfs = Faulty::default();
    let db = Db::open("db", threads(&vfs, 2)).unwrap();
    let lengths = [0, 100, 511, 512, 513, 3000, 5000, 40_000, 10, 200_000, 300_000, 1];
    let entries: Vec<_> = (0..200u32).map(|n| (n, lengths[n as usize % lengths.len()])).collect();
    let count = db.bulk_load(|load| {
        let mut all = entries.iter();
        all.try_for_each(|&(n, len)| match n % 7 {
            6 => load.delete(&n.to_be_bytes()),
            _ => load.put(&n.to_be_bytes(), &vec![n as u8; len]),
        })
    });
    assert_eq!(count.unwrap(), 200);
    for (n, len) in entries {
        let expected = (n % 7 != 6).then(|| vec![n as u8; len]);
        let found = db.get(&n.to_be_bytes()).unwrap();
        assert!(found.as_deref() == expected.as_deref(), "{n}");
    }
}
