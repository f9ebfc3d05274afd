//! `esker info` and `esker get --explain` on a database: its layers, drawn and asked.

use super::picture::{Span, bar};
use crate::args::Info;
use crate::bytes::encode;
use crate::failure::Result;
use crate::output::{insert, stdout};
use crate::style;
use esker::{LayerStep, ReadOnlyDb, Segment, SegmentKind};
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Tables listed unless all are asked for.
const LISTED: usize = 8;
/// Characters of a key in a list.
const KEY_CHARACTERS: usize = 28;

/// Tells on standard error which layers a look-up asks.
pub fn explain(db: &ReadOnlyDb, key: &[u8]) -> Result<()> {
    let start = Instant::now();
    let steps = db.explain(key)?;
    // The value matters more than who listens to how it was found.
    let _ = show(&steps, start.elapsed());
    Ok(())
}

fn show(steps: &[LayerStep], time: Duration) -> io::Result<()> {
    let mut out = io::stderr().lock();
    writeln!(out, "{}", style::error_heading("layer                    verdict"))?;
    for step in steps {
        writeln!(out, "{:<24} {}", step.layer, step.verdict)?;
    }
    if !steps.iter().any(|step| step.is_last) {
        writeln!(out, "no layer has the key")?;
    }
    let (layers, micros) = (steps.len(), time.as_secs_f64() * 1e6);
    writeln!(out, "{layers} layers in {micros:.1} µs")
}

/// Shows what the database of `arguments` is made of.
pub fn info(arguments: &Info, db: &ReadOnlyDb) -> Result<()> {
    let mut out = stdout();
    let mut segments = db.segments();
    // From the newest layer down, each level from its first key on.
    segments.sort_by(|a, b| (a.kind.level(), &a.smallest).cmp(&(b.kind.level(), &b.smallest)));
    if arguments.json {
        writeln!(out, "{}", json_of(arguments, db, &segments))?;
    } else {
        text(&mut out, arguments, db, &segments)?;
        tell_torn(&mut out, db)?;
    }
    Ok(out.flush()?)
}

trait Level {
    /// The level; `None` for what is in memory and in the log.
    fn level(&self) -> Option<usize>;
}

impl Level for SegmentKind {
    fn level(&self) -> Option<usize> {
        match self {
            SegmentKind::Table(level) => Some(*level),
            _ => None,
        }
    }
}

fn text(
    out: &mut impl Write,
    arguments: &Info,
    db: &ReadOnlyDb,
    segments: &[Segment],
) -> io::Result<()> {
    let tables: Vec<&Segment> = segments.iter().filter(|s| s.kind.level().is_some()).collect();
    let bytes = style::size(tables.iter().map(|table| table.bytes).sum());
    let name = style::heading(&arguments.file.display().to_string());
    let (count, sequence) = (tables.len(), db.stats().sequence);
    writeln!(
        out,
        "{name}: esker database, {count} tables, {bytes}; last write: number {sequence}"
    )?;
    let filled: Vec<&Segment> = segments.iter().filter(|s| s.entries > 0).collect();
    let Some(span) = Span::of(&filled) else { return writeln!(out, "  it is empty") };
    let heading = "  layer    tables        bytes    entries tombstones  where its keys lie";
    writeln!(out, "{}", style::heading(heading))?;
    for layer in filled.chunk_by(|a, b| a.kind.level() == b.kind.level()) {
        let level = layer[0].kind.level();
        let name = level.map_or("log".into(), |level| format!("level {level}"));
        let count = level.map_or("-".into(), |_| layer.len().to_string());
        let size = style::size(layer.iter().map(|segment| segment.bytes).sum());
        let entries: u64 = layer.iter().map(|segment| segment.entries).sum();
        let tombstones: u64 = layer.iter().map(|segment| segment.tombstones).sum();
        let bar = style::part(&bar(&span, layer), level.map_or(5, |level| level % 5));
        writeln!(out, "  {name:<8} {count:>6} {size:>12} {entries:>10} {tombstones:>10}  [{bar}]")?;
    }
    let (first, last) = (short(span.first()), short(span.last()));
    writeln!(
        out,
        "  from {first} to {last}; █ and ▒ one table, a digit so many, | less than a cell"
    )?;
    list(out, &tables, arguments.blocks)
}

fn list(out: &mut impl Write, tables: &[&Segment], all: bool) -> io::Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let heading = "\n  level  file                    bytes    entries  from key to key";
    writeln!(out, "{}", style::heading(heading))?;
    let listed = if all { tables.len() } else { LISTED };
    for table in tables.iter().take(listed) {
        let level = table.kind.level().unwrap_or_default();
        let Segment { bytes, entries, .. } = table;
        let (first, last) = (short(&table.smallest), short(&table.largest));
        writeln!(
            out,
            "  {level:>5}  {:<18} {bytes:>10} {entries:>10}  {first} to {last}",
            file(table)
        )?;
    }
    if listed < tables.len() {
        writeln!(out, "  … {} more (--blocks lists them) …", tables.len() - listed)?;
    }
    Ok(())
}

fn file(table: &Segment) -> String {
    let name = table.path.as_ref().and_then(|path| path.file_name()).unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A key, cut where it is long.
fn short(key: &[u8]) -> String {
    let text = encode(key, None);
    match text.char_indices().nth(KEY_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// Tells where a log is torn, if one is.
pub fn tell_torn(out: &mut impl Write, db: &ReadOnlyDb) -> io::Result<()> {
    let recovery = db.recovery();
    let Some((path, offset)) = recovery.torn_at else { return Ok(()) };
    let (path, dropped) = (path.display(), recovery.dropped_batches);
    writeln!(
        out,
        "{path}: torn at byte {offset}, as a crash in the middle of a write leaves it; {dropped} \
         batches after it are left out, none of which was promised to be on disk"
    )
}

fn json_of(arguments: &Info, db: &ReadOnlyDb, segments: &[Segment]) -> Value {
    let segment = |segment: &Segment| {
        let mut object = Map::new();
        object.insert("level".into(), json!(segment.kind.level()));
        if segment.path.is_some() {
            object.insert("file".into(), json!(file(segment)));
        }
        object.insert("bytes".into(), json!(segment.bytes));
        object.insert("entries".into(), json!(segment.entries));
        object.insert("tombstones".into(), json!(segment.tombstones));
        object.insert("largest_sequence".into(), json!(segment.largest_sequence));
        insert(&mut object, "smallest", &segment.smallest);
        insert(&mut object, "largest", &segment.largest);
        Value::Object(object)
    };
    let stats = db.stats();
    let levels = stats.levels.iter().map(super::numbers::level_json).collect::<Vec<_>>();
    json!({
        "directory": arguments.file.display().to_string(),
        "format": "esker database",
        "sequence": stats.sequence,
        "memory_bytes": stats.memtable_bytes,
        "levels": levels,
        "segments": segments.iter().map(segment).collect::<Vec<_>>(),
    })
}
