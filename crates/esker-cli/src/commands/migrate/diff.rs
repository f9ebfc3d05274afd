//! `esker diff`: two streams of entries side by side.

use super::compare::{Comparison, Pair};
use super::side::Side;
use crate::args::Reading;
use crate::args::migrate::Diff;
use crate::bytes::encode;
use crate::failure::{Failure, Result};
use crate::foreign;
use crate::input::is_stdin;
use crate::output::{insert, stdout};
use crate::progress::Progress;
use crate::source::Shown;
use crate::style;
use serde_json::{Map, json};
use std::io::{self, Write};

/// Keys between two looks at the clock.
const KEYS_PER_TELL: u64 = 1024;

/// How many keys are of which kind.
#[derive(Default)]
struct Counts {
    same: u64,
    only_a: u64,
    only_b: u64,
    differ: u64,
}

pub fn run(arguments: &Diff) -> Result<()> {
    if is_stdin(&arguments.a) && is_stdin(&arguments.b) {
        return Err(Failure::input("standard input can be one of the two, not both"));
    }
    let reading = &arguments.reading;
    let reading_b = Reading {
        map: reading.map,
        comparator: arguments.comparator_b.clone().or(reading.comparator.clone()),
        column_family: arguments.column_family_b.clone().or(reading.column_family.clone()),
        obfuscation: reading.obfuscation.clone(),
        accept_loss: reading.accept_loss,
    };
    let a = Side::open(&arguments.a, reading, Some(&arguments.formats))?;
    let b = Side::open(&arguments.b, &reading_b, Some(&arguments.formats))?;
    let mut out = stdout();
    let mut counts = Counts::default();
    let mut progress = Progress::new("comparing", false);
    let most = if arguments.quiet { 0 } else { arguments.limit.unwrap_or(u64::MAX) };
    for pair in Comparison::new(a.entries(), b.entries()) {
        let pair = match pair {
            Ok(pair) => pair,
            Err(error) => {
                // What was found before the fault is sound: let it be seen.
                out.flush()?;
                a.tell_losses();
                b.tell_losses();
                return Err(foreign::advised(error.into(), &arguments.reading));
            }
        };
        if !counts.add(&pair) && counts.different() <= most {
            show(&mut out, arguments, &pair)?;
        }
        if counts.all() % KEYS_PER_TELL == 0 {
            progress.tell(counts.all(), 0);
        }
    }
    drop(progress);
    out.flush()?;
    a.tell_losses();
    b.tell_losses();
    // The status tells even if nobody reads this.
    let _ = summarize(&counts, arguments);
    if counts.different() == 0 { Ok(()) } else { Err(Failure::Different) }
}

impl Counts {
    /// Counts `pair`; whether it is the same on both sides.
    fn add(&mut self, pair: &Pair) -> bool {
        match pair {
            Pair::Same(_) => self.same += 1,
            Pair::OnlyA(_) => self.only_a += 1,
            Pair::OnlyB(_) => self.only_b += 1,
            Pair::Differs(..) => self.differ += 1,
        }
        matches!(pair, Pair::Same(_))
    }

    fn different(&self) -> u64 {
        self.only_a + self.only_b + self.differ
    }

    fn all(&self) -> u64 {
        self.same + self.different()
    }
}

fn show(out: &mut impl Write, arguments: &Diff, pair: &Pair) -> io::Result<()> {
    let keys_only = arguments.keys_only;
    if arguments.json {
        return show_json(out, keys_only, pair);
    }
    let delimiter = &arguments.formats.delimiter.0;
    let mut line = |sign: &str, entry: &Shown| {
        write!(out, "{sign} {}", encode(&entry.key, Some(delimiter)))?;
        if !keys_only {
            out.write_all(delimiter)?;
            write!(out, "{}", encode(&entry.value, None))?;
        }
        writeln!(out)
    };
    match pair {
        Pair::Same(_) => Ok(()),
        Pair::OnlyA(a) => line("-", a),
        Pair::OnlyB(b) => line("+", b),
        Pair::Differs(a, b) => {
            line("<", a)?;
            line(">", b)
        }
    }
}

fn show_json(out: &mut impl Write, keys_only: bool, pair: &Pair) -> io::Result<()> {
    let mut object = Map::new();
    let (place, key, a, b) = match pair {
        Pair::Same(_) => return Ok(()),
        Pair::OnlyA(a) => ("a", &a.key, Some(&a.value), None),
        Pair::OnlyB(b) => ("b", &b.key, None, Some(&b.value)),
        Pair::Differs(a, b) => ("both", &a.key, Some(&a.value), Some(&b.value)),
    };
    object.insert("in".into(), json!(place));
    insert(&mut object, "key", key);
    for (name, value) in [("a", a), ("b", b)] {
        if let Some(value) = value.filter(|_| !keys_only) {
            insert(&mut object, name, value);
        }
    }
    writeln!(out, "{}", serde_json::Value::from(object))
}

fn summarize(counts: &Counts, arguments: &Diff) -> io::Result<()> {
    let mut err = io::stderr().lock();
    let verdict = if counts.different() == 0 { "equal" } else { "different" };
    let (a, b) = (arguments.a.display(), arguments.b.display());
    writeln!(err, "{} {a} and {b}", style::error_heading(&format!("{verdict}:")))?;
    writeln!(err, "same              {}", counts.same)?;
    writeln!(err, "only in A         {}", counts.only_a)?;
    writeln!(err, "only in B         {}", counts.only_b)?;
    writeln!(err, "different values  {}", counts.differ)
}
