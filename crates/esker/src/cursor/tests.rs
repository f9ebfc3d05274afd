//! Merges against a map, in both directions and with turns.

use super::*;
use crate::base::hash::key_hash;
use crate::base::key::Entry;
use crate::memtable::Memtable;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

type Layer = Vec<(u8, bool)>;

fn here(cursor: &MergeCursor) -> (u8, u8, bool) {
    let (key, value) = cursor.entry();
    (key[0], value.first().copied().unwrap_or(0), cursor.kind() == ValueKind::Put)
}

/// Layers of memtables, newest first, each with a value that names it.
fn merge(layers: &[Layer]) -> (MergeCursor, Vec<(u8, u8, bool)>) {
    let mut model = BTreeMap::new();
    let mut sources = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        let memtable = Arc::new(Memtable::new(1000));
        let name = i as u8 + 1;
        for (n, &(key, is_put)) in layer.iter().enumerate() {
            let value = [name];
            let sequence = n as u64;
            let entry = match is_put {
                true => Entry { sequence, ..Entry::put(std::slice::from_ref(&key), &value) },
                false => Entry { sequence, ..Entry::tombstone(std::slice::from_ref(&key)) },
            };
            memtable.insert(entry, key_hash(&[key]));
        }
        for (key, is_put) in layer.iter().copied().collect::<BTreeMap<_, _>>() {
            let shown = if is_put { name } else { 0 };
            model.entry(key).or_insert((key, shown, is_put));
        }
        sources.push(Source::Memtable(memtable.cursor(u64::MAX)).into());
    }
    (MergeCursor::new(sources), model.into_values().collect())
}

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let layer = prop::collection::vec((0u8..40, any::<bool>()), 0..30);
    prop::collection::vec(layer, 0..5)
}

proptest! {
    #[test]
    fn behaves_like_a_map(
        layers in layers(),
        moves in prop::collection::vec((0u8..6, 0u8..42), 0..200),
    ) {
        let (mut cursor, model) = merge(&layers);
        let mut at: Option<usize> = None;
        for (kind, key) in moves {
            let bound = model.partition_point(|e| e.0 < key);
            let (on, to) = match (kind, at) {
                (0, _) => (cursor.first(), Some(0)),
                (1, _) => (cursor.last(), model.len().checked_sub(1)),
                (2, _) => (cursor.seek(&[key]), Some(bound)),
                (3, _) => (cursor.seek_before(&[key]), bound.checked_sub(1)),
                (4, Some(at)) => (cursor.next(), Some(at + 1)),
                (5, Some(at)) => (cursor.prev(), at.checked_sub(1)),
                _ => continue,
            };
            at = to.filter(|&to| to < model.len());
            assert_eq!(on.unwrap(), at.is_some());
            assert_eq!(cursor.is_on(), at.is_some());
            if let Some(at) = at {
                assert_eq!(here(&cursor), model[at]);
            }
        }
    }
}
