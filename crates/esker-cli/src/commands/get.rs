//! `esker get` and `esker has`: one key.

use super::database::levels;
use crate::args::{Format, Get, Has};
use crate::bytes::{encode, hex};
use crate::failure::{Failure, Result};
use crate::output::{insert, stdout};
use crate::source::Source;
use crate::style;
use esker::Step;
use serde_json::Map;
use std::io::{self, Write};
use std::time::{Duration, Instant};

pub fn has(arguments: &Has) -> Result<()> {
    let source = Source::open(&arguments.file, &arguments.reading)?;
    let has = source.has(&arguments.key.0);
    source.tell_losses();
    if has? { Ok(()) } else { Err(Failure::NotFound) }
}

pub fn get(arguments: &Get) -> Result<()> {
    let source = Source::open(&arguments.file, &arguments.reading)?;
    if arguments.explain {
        explain(&source, &arguments.key.0)?;
    }
    let value = source.get(&arguments.key.0);
    source.tell_losses();
    let Some(value) = value? else { return Err(Failure::NotFound) };
    let mut out = stdout();
    match arguments.format {
        _ if arguments.raw => out.write_all(&value)?,
        Format::Text => writeln!(out, "{}", encode(&value, None))?,
        Format::Hex => writeln!(out, "{}", hex(&value))?,
        Format::Json => {
            let mut object = Map::new();
            insert(&mut object, "key", &arguments.key.0);
            insert(&mut object, "value", &value);
            writeln!(out, "{}", serde_json::Value::from(object))?;
        }
    }
    Ok(out.flush()?)
}

/// Tells on standard error how the key is found, so that the value alone is on standard output.
fn explain(source: &Source, key: &[u8]) -> Result<()> {
    if let Source::Db(db) = source {
        return levels::explain(db, key);
    }
    let start = Instant::now();
    let steps = source.explain(key)?;
    // The value matters more than who listens to how it was found.
    let _ = show(&steps, start.elapsed());
    Ok(())
}

fn show(steps: &[Step], time: Duration) -> io::Result<()> {
    let mut out = io::stderr().lock();
    let offset = |step: &Step| step.offset.map_or("-".into(), |offset| offset.to_string());
    writeln!(out, "{}", style::error_heading("part         offset      bytes  verdict"))?;
    for step in steps {
        let (part, bytes, verdict) = (step.part, step.bytes, &step.verdict);
        writeln!(out, "{part:<12} {:>6} {bytes:>10}  {verdict}", offset(step))?;
    }
    let read: u64 = steps.iter().filter(|s| s.offset.is_some()).map(|s| s.bytes).sum();
    writeln!(out, "{} of the file in {:.1} µs", style::size(read), time.as_secs_f64() * 1e6)
}
