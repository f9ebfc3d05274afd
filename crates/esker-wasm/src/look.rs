//! How a store is seen: its segments with their entries, its numbers, the way of a look-up.

use crate::json::Json;
use crate::session::Store;
use crate::wire::{Request, put_entry};
use esker::{Db, Error, LayerStep, Result, Segment, SegmentKind, Step, ValueKind};
use std::path::Path;

/// What the segments are, newest last: a list of objects.
pub fn segments(db: &Db) -> Vec<u8> {
    let mut json = Json::default();
    json.list(db.segments(), |json, segment| {
        json.object(|json| describe(json, &segment));
    });
    json.into_bytes()
}

fn describe(json: &mut Json, segment: &Segment) {
    let (kind, level) = match segment.kind {
        SegmentKind::Memtable => ("memtable", None),
        SegmentKind::SealedMemtable => ("sealed", None),
        SegmentKind::Table(level) => ("table", Some(level)),
        _ => ("other", None),
    };
    json.field("kind").text(kind);
    match level {
        Some(level) => json.field("level").plain(level),
        None => json.field("level").null(),
    }
    file(json, segment.path.as_deref());
    json.field("bytes").plain(segment.bytes);
    json.field("versions").plain(segment.entries);
    json.field("tombstones").plain(segment.tombstones);
    json.field("smallest").hex(&segment.smallest);
    json.field("largest").hex(&segment.largest);
    json.field("sequence").plain(segment.largest_sequence);
}

/// The field that names a file.
pub fn file(json: &mut Json, path: Option<&Path>) {
    match path.and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some(name) => json.field("file").text(name),
        None => json.field("file").null(),
    }
}

/// The entries of segment number `position`, of each key the newest; deletes have no value.
pub fn entries(db: &Db, position: usize, reply: &mut Vec<u8>) -> Result<()> {
    let segments = db.segments();
    let gone = || Error::invalid_input("segment", "it is not there");
    let segment = segments.get(position).ok_or_else(gone)?;
    let mut last: Option<Vec<u8>> = None;
    let found = db.visit_segment(segment, &mut |entry| {
        if last.as_deref() != Some(entry.key) {
            let value = (entry.kind == ValueKind::Put).then_some(entry.value);
            put_entry(reply, entry.key, value);
            last = Some(entry.key.to_vec());
        }
        Ok(())
    })?;
    if found { Ok(()) } else { Err(gone()) }
}

/// The store in numbers.
pub fn stats(db: &Db) -> Vec<u8> {
    let stats = db.stats();
    let mut json = Json::default();
    json.object(|json| {
        json.field("levels").list(&stats.levels, |json, level| {
            json.object(|json| {
                json.field("tables").plain(level.tables);
                json.field("bytes").plain(level.bytes);
                json.field("entries").plain(level.entries);
                json.field("tombstones").plain(level.tombstones);
                json.field("score").plain(level.score);
            });
        });
        for (name, number) in [
            ("memtableBytes", stats.memtable_bytes),
            ("sequence", stats.sequence),
            ("durableSequence", stats.durable_sequence),
            ("snapshots", stats.snapshots as u64),
            ("writtenBytes", stats.written_bytes),
            ("logBytes", stats.log_bytes),
            ("flushes", stats.flushes),
            ("flushedBytes", stats.flushed_bytes),
            ("compactions", stats.compactions),
            ("moves", stats.moves),
            ("compactedInBytes", stats.compacted_in_bytes),
            ("compactedOutBytes", stats.compacted_out_bytes),
            ("syncs", stats.syncs),
            ("cacheHits", stats.cache_hits),
            ("cacheMisses", stats.cache_misses),
            ("cacheBytes", stats.cache_bytes),
            ("pinnedBytes", stats.pinned_bytes),
            ("openTables", stats.open_tables as u64),
        ] {
            json.field(name).plain(number);
        }
    });
    json.into_bytes()
}

/// The way of a look-up for `key`, layer by layer.
pub fn explain(db: &Db, key: &[u8]) -> Result<Vec<u8>> {
    let mut json = Json::default();
    json.list(db.explain(key)?, |json, step| json.object(|json| layer(json, &step)));
    Ok(json.into_bytes())
}

fn layer(json: &mut Json, step: &LayerStep) {
    json.field("layer").text(&step.layer);
    json.field("verdict").text(&step.verdict);
    json.field("isLast").plain(step.is_last);
    file(json, step.path.as_deref());
    steps(json.field("parts"), &step.parts);
}

/// Steps of a look-up, as a list.
pub fn steps(json: &mut Json, steps: &[Step]) {
    json.list(steps, |json, part| {
        json.object(|json| {
            json.field("part").text(part.part);
            match part.offset {
                Some(offset) => json.field("offset").plain(offset),
                None => json.field("offset").null(),
            }
            json.field("bytes").plain(part.bytes);
            json.field("verdict").text(&part.verdict);
        });
    });
}

/// The files of the store with their sizes.
pub fn files(store: &Store) -> Result<Vec<u8>> {
    let mut sizes = Vec::new();
    for name in store.vfs.list(store.db.path())? {
        let path = store.db.path().join(&name);
        let bytes = store.vfs.open(&path)?.len().map_err(|e| Error::io("examine", &path, e))?;
        sizes.push((name, bytes));
    }
    let mut json = Json::default();
    json.list(&sizes, |json, (name, bytes)| {
        json.object(|json| {
            json.field("name").text(name);
            json.field("bytes").plain(bytes);
        });
    });
    Ok(json.into_bytes())
}

/// Bytes of one file of the store: its name, offset and number of bytes at most.
pub fn read_file(store: &Store, request: &mut Request<'_>, reply: &mut Vec<u8>) -> Result<()> {
    let path = store.db.path().join(request.text()?);
    let (offset, most) = (request.number()? as u64, request.number()? as u64);
    let file = store.vfs.open(&path)?;
    let failed = |e| Error::io("read", &path, e);
    let left = file.len().map_err(failed)?.saturating_sub(offset);
    reply.resize(left.min(most) as usize, 0);
    file.read_exact_at(reply, offset).map_err(failed)
}
