//! Cursors over layers of tables and a memtable, against a map.

use super::*;
use crate::vfs::MemVfs;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Key = Vec<u8>;
type Layer = Vec<(Key, bool)>;

/// Keys of some lengths: with and without a tail, and with a beginning in common that is long,
/// short or none, so that a cursor goes from one to the other.
fn key(high: u8, low: u8) -> Key {
    let tail = vec![b'a' + low % 26; usize::from(low)];
    match high {
        0 => vec![low; usize::from(low > 0)],
        1 => [b"\x01a long beginning ", &[low][..], &tail[..usize::from(low % 12)]].concat(),
        2 => vec![2, low],
        _ => [&[3; 8][..], &[low], &tail].concat(),
    }
}

/// A database with all blocks in memory.
fn open(block_size_bytes: usize) -> Db {
    let settings = Settings {
        vfs: Arc::new(MemVfs::default()),
        background_threads: 0,
        block_size_bytes,
        ..Settings::default()
    };
    Db::open("db", settings).unwrap()
}

/// A database of `layers`, oldest first, the last of them in the memtable, and the first
/// `compacted` in level 1; and what it shows.
fn fill(
    layers: &[Layer],
    compacted: usize,
    block_size_bytes: usize,
    has_values: bool,
) -> (Db, Vec<(Key, Vec<u8>)>) {
    let (db, mut model) = (open(block_size_bytes), BTreeMap::new());
    for (i, layer) in layers.iter().enumerate() {
        if i > 0 {
            db.flush().unwrap();
        }
        if i > 0 && i == compacted {
            db.compact_range::<&[u8]>(..).unwrap();
        }
        for (key, is_put) in layer {
            if *is_put {
                let value = vec![i as u8; if has_values { 10 + key.len() } else { 0 }];
                db.put(key, &value).unwrap();
                model.insert(key.clone(), value);
            } else {
                db.delete(key).unwrap();
                model.remove(key);
            }
        }
    }
    (db, model.into_iter().collect())
}

/// Runs of neighbouring keys, some deleted.
fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let run = (0u8..4, 0u8..60, prop_oneof![Just(1), 1u8..60], 0u8..20).prop_map(
        |(high, low, count, odds)| {
            let is_put = move |low| odds > 3 || low % 3 > 0;
            let keys = (low..low + count).map(move |low| (key(high, low), is_put(low)));
            keys.collect::<Layer>()
        },
    );
    let layer = prop::collection::vec(run, 0..4).prop_map(|runs| runs.concat());
    prop::collection::vec(layer, 1..4)
}

/// Goes on with `cursor` from entry `at` of `model` until `times` entries were lent; where it is
/// then.
fn go_on(
    cursor: &mut DbCursor,
    model: &[(Vec<u8>, Vec<u8>)],
    at: Option<usize>,
    is_upwards: bool,
    times: usize,
) -> Option<usize> {
    let rest = |at: usize| if is_upwards { at + 1..model.len() } else { 0..at };
    let rest = at.map(rest).unwrap_or_default();
    let len = rest.len();
    let places: Vec<usize> = if is_upwards { rest.collect() } else { rest.rev().collect() };
    let mut lent = 0;
    let goes_on = |key: &[u8], value: &[u8]| {
        let expected = places.get(lent).map(|&place| (&model[place].0[..], &model[place].1[..]));
        assert_eq!(Some((key, value)), expected, "entry {lent}");
        lent += 1;
        lent < times
    };
    let moved = if is_upwards { cursor.next_while(goes_on) } else { cursor.prev_while(goes_on) };
    moved.unwrap();
    assert_eq!(lent, len.min(times));
    let at = if lent < times { None } else { places.get(lent - 1).copied() };
    assert_eq!(cursor.current(), at.map(|at| (&model[at].0[..], &model[at].1[..])));
    at
}

proptest! {
    #[test]
    fn cursors_over_tables_and_memtable_match_a_map(
        layers in layers(),
        compacted in 0usize..3,
        // Few entries a block, or many.
        block_size_bytes in prop::sample::select(&[256, 4096][..]),
        has_values in any::<bool>(),
        moves in prop::collection::vec((0u8..16, 0u8..4, 0u8..120, 1usize..40), 0..40),
    ) {
        let (db, model) = fill(&layers, compacted, block_size_bytes, has_values);
        let mut cursor = db.cursor();
        let mut at: Option<usize> = None;
        for (kind, high, low, times) in moves {
            let key = key(high, low);
            let bound = model.partition_point(|entry| entry.0 < key);
            if kind >= 12 {
                at = go_on(&mut cursor, &model, at, kind < 14, times);
                continue;
            }
            for _ in 0..if kind < 4 { 1 } else { times } {
                let (found, to) = match (kind, at) {
                    (0, _) => (cursor.first(), Some(0)),
                    (1, _) => (cursor.last(), model.len().checked_sub(1)),
                    (2, _) => (cursor.seek(&key), Some(bound)),
                    (3, _) => (cursor.seek_before(&key), bound.checked_sub(1)),
                    (4..8, at) => (cursor.next(), at.map(|at| at + 1)),
                    (_, at) => (cursor.prev(), at.and_then(|at| at.checked_sub(1))),
                };
                at = to.filter(|&to| to < model.len());
                let expected = at.map(|at| (&model[at].0[..], &model[at].1[..]));
                assert_eq!(found.unwrap(), expected);
                assert_eq!(cursor.current(), expected);
            }
        }
    }
}

/// A hundred keys in one table.
fn hundred() -> Db {
    let db = open(4096);
    (0..100u8).for_each(|low| db.put(&key(1, low), &[low]).unwrap());
    db.compact_range::<&[u8]>(..).unwrap();
    db
}

#[test]
fn who_panics_leaves_the_cursor_on_the_entry_lent() {
    let db = hundred();
    let mut cursor = db.cursor();
    cursor.first().unwrap();
    let moves = std::panic::AssertUnwindSafe(|| {
        cursor.next_while(|_, value| if value == [50] { panic!("as asked for") } else { true })
    });
    assert!(std::panic::catch_unwind(moves).is_err());
    assert_eq!(cursor.current(), Some((&key(1, 50)[..], &[50][..])));
    assert_eq!(cursor.next().unwrap(), Some((&key(1, 51)[..], &[51][..])));
    assert_eq!(cursor.prev().unwrap(), Some((&key(1, 50)[..], &[50][..])));
}
