//! `esker info`: what a table is made of.

use super::database::levels;
use crate::args::Info;
use crate::bytes::{encode, hex};
use crate::failure::Result;
use crate::output::stdout;
use crate::source::{Block, Source, Summary};
use crate::style;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Cells of the picture of the file.
const CELLS: usize = 72;
/// Blocks listed at either end unless all are asked for.
const ENDS: usize = 4;

pub fn run(arguments: &Info) -> Result<()> {
    let source = Source::open(&arguments.file, &arguments.reading)?;
    if let Source::Db(db) = &source {
        return levels::info(arguments, db);
    }
    let summary = source.summary()?;
    let blocks = source.blocks()?;
    let mut out = stdout();
    if arguments.json {
        print_json(&mut out, arguments, &summary, &blocks)?;
    } else {
        print_text(&mut out, arguments, &summary, &blocks)?;
    }
    Ok(out.flush()?)
}

fn print_text(
    out: &mut impl Write,
    arguments: &Info,
    summary: &Summary,
    blocks: &[Block],
) -> io::Result<()> {
    let name = arguments.file.display().to_string();
    writeln!(
        out,
        "{}: {}, {}",
        style::heading(&name),
        summary.format,
        style::size(summary.file_bytes)
    )?;
    for (name, value) in &summary.facts {
        writeln!(out, "  {name:<22} {value}")?;
    }
    writeln!(out)?;
    picture(out, blocks, summary.file_bytes)?;
    writeln!(out)?;
    list(out, blocks, arguments.blocks)
}

/// Draws the file as a row of cells, each with the letter of what takes most of it.
fn picture(out: &mut impl Write, blocks: &[Block], file_bytes: u64) -> io::Result<()> {
    let mut kinds: Vec<&str> = Vec::new();
    for block in blocks {
        if !kinds.contains(&block.kind) {
            kinds.push(block.kind);
        }
    }
    let each = file_bytes as f64 / CELLS as f64;
    let mut line = String::new();
    for cell in 0..CELLS {
        let (low, high) = (cell as f64 * each, (cell + 1) as f64 * each);
        let share = |block: &&Block| {
            let (start, end) = (block.offset as f64, (block.offset + block.stored_bytes) as f64);
            (end.min(high) - start.max(low)).max(0.0)
        };
        let most = blocks.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
        let most = most.filter(|block| share(block) > 0.0);
        line += &match most.and_then(|b| kinds.iter().position(|kind| *kind == b.kind)) {
            Some(kind) => style::part(&kinds[kind][..1].to_uppercase(), kind),
            None => ".".into(),
        };
    }
    writeln!(out, "  [{line}]")?;
    for (number, kind) in kinds.iter().enumerate() {
        let of_kind = || blocks.iter().filter(|block| block.kind == *kind);
        let stored: u64 = of_kind().map(|block| block.stored_bytes).sum();
        let raw: u64 = of_kind().map(|block| block.raw_bytes).sum();
        let letter = style::part(&kind[..1].to_uppercase(), number);
        let share = 100.0 * stored as f64 / (file_bytes as f64).max(1.0);
        let (count, size) = (of_kind().count(), style::size(stored));
        let ratio = raw as f64 / (stored as f64).max(1.0);
        writeln!(
            out,
            "  {letter} {kind:<12} {count:>8} blocks {size:>12} {share:>5.1} %  ratio {ratio:.2}"
        )?;
    }
    Ok(())
}

fn list(out: &mut impl Write, blocks: &[Block], all: bool) -> io::Result<()> {
    let heading = "      offset      stored         raw  codec  entries  kind        from key";
    writeln!(out, "{}", style::heading(heading))?;
    for (i, block) in blocks.iter().enumerate() {
        let hidden = !all && i >= ENDS && i + 2 * ENDS < blocks.len();
        if hidden {
            if i == ENDS {
                let count = blocks.len() - 3 * ENDS;
                writeln!(out, "  … {count} more (--blocks lists them) …")?;
            }
            continue;
        }
        let key = encode(&block.first_key, None);
        let Block { offset, stored_bytes, raw_bytes, codec, entries, kind, .. } = block;
        writeln!(
            out,
            "{offset:>12} {stored_bytes:>11} {raw_bytes:>11}  {codec:<6} {entries:>7}  {kind:<11} \
             {key}"
        )?;
    }
    Ok(())
}

fn print_json(
    out: &mut impl Write,
    arguments: &Info,
    summary: &Summary,
    blocks: &[Block],
) -> io::Result<()> {
    let mut object = Map::new();
    object.insert("file".into(), json!(arguments.file.display().to_string()));
    object.insert("format".into(), json!(summary.format));
    object.insert("file_bytes".into(), json!(summary.file_bytes));
    let facts =
        summary.facts.iter().map(|(name, value)| (name.replace(' ', "_"), fact(name, value)));
    object.insert("properties".into(), Value::Object(facts.collect()));
    let blocks = blocks.iter().map(|block| {
        json!({
            "kind": block.kind,
            "offset": block.offset,
            "stored_bytes": block.stored_bytes,
            "raw_bytes": block.raw_bytes,
            "codec": block.codec,
            "entries": block.entries,
            "first_key_hex": hex(&block.first_key),
        })
    });
    object.insert("blocks".into(), blocks.collect());
    writeln!(out, "{}", Value::from(object))
}

/// A property as a number where it is one; keys and free text stay text whatever they look like.
fn fact(name: &str, value: &str) -> Value {
    const TEXTS: [&str; 7] = [
        "smallest key",
        "largest key",
        "compression",
        "digest",
        "description",
        "column family",
        "column families",
    ];
    match value.parse::<u64>() {
        Ok(number) if !TEXTS.contains(&name) && number.to_string() == value => json!(number),
        _ => json!(value),
    }
}
