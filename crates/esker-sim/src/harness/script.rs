//! A history as a list of steps, which can be printed, kept in a file, and read back.

use super::store::{Batch, Level};
use crate::random::Random;
use crate::{Calls, Crash, Failure, OpKind, Rule, Strike};
use std::fmt;

/// One change of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub key: u32,
    /// Which value, and its length; none to delete.
    pub value: Option<(u32, u32)>,
}

/// One step of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A batch.
    Write(Level, Vec<Change>),
    /// Flushes.
    Flush,
    /// Rewrites everything.
    Compact,
    /// Does what is to do when nobody writes.
    Rest,
    /// Begins to rewrite everything, beside the next steps.
    Aside,
    /// Changes from a table made elsewhere.
    Ingest(Vec<Change>),
    /// Makes a copy and looks at it.
    Copy,
    /// Takes a place among the keys, which every later step moves.
    Place,
    /// Opens for reading beside the store, or lets the one that does go on.
    Reader,
    /// Other settings, by their number, from the next opening on.
    Settings(u64),
    /// Takes a snapshot.
    Snapshot,
    /// Checks the oldest snapshot and lets it go.
    Release,
    /// Reads everything in every way.
    Check,
    /// Closes and opens again.
    Reopen,
    /// Crashes now.
    Crash(Crash),
    /// Crashes at the n-th call from here.
    CrashIn(u64, Crash),
    /// Crashes at the n-th call of the next recovery; several are used one after another.
    CrashRecovery(u64, Crash),
    /// Lets calls of this kind (or of any) fail.
    Fail(Option<OpKind>, Calls, Failure),
    /// Lets a call site fail, once, whenever it is reached.
    Strike(Strike),
    /// Leaves room for so many more bytes on the disk.
    Full(u64),
    /// Ends all failures; the disk has room again.
    Heal,
}

/// A history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The seed of the machine.
    pub seed: u64,
    /// The number of the store's settings.
    pub variant: u64,
    /// What happens.
    pub steps: Vec<Step>,
}

/// The bytes of key number `key`: most are short, some share long prefixes.
pub fn key_bytes(key: u32) -> Vec<u8> {
    match key % 8 {
        7 => format!("{}{key:03}", "long-prefix/".repeat(1 + key as usize % 5)).into_bytes(),
        _ => format!("k{key:03}").into_bytes(),
    }
}

/// The value numbered `tag`, of `length` bytes or what its number needs: a half repeats itself.
pub fn value_bytes(tag: u32, length: u32) -> Vec<u8> {
    let mut value = format!("v{tag}:").into_bytes();
    let mut random = Random::new(u64::from(tag));
    while value.len() < length as usize {
        let byte = if value.len() % 2 == 0 { b'.' } else { random.bits() as u8 };
        value.push(byte);
    }
    value
}

/// The batch that `changes` stand for.
pub fn batch(changes: &[Change]) -> Batch {
    let value = |change: &Change| change.value.map(|(tag, length)| value_bytes(tag, length));
    changes.iter().map(|change| (key_bytes(change.key), value(change))).collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some((tag, length)) => write!(f, "{}={tag}x{length}", self.key),
            None => write!(f, "{}-", self.key),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Write(level, changes) => {
                write!(f, "write {}", lower(level))?;
                changes.iter().try_for_each(|change| write!(f, " {change}"))
            }
            Step::Ingest(changes) => {
                f.write_str("ingest")?;
                changes.iter().try_for_each(|change| write!(f, " {change}"))
            }
            Step::Settings(variant) => write!(f, "settings {variant}"),
            Step::Strike(strike) => write!(f, "strike {strike}"),
            Step::Crash(crash) => write!(f, "{crash}"),
            Step::CrashIn(n, crash) => write!(f, "at {n} {crash}"),
            Step::CrashRecovery(n, crash) => write!(f, "recovery {n} {crash}"),
            Step::Fail(kind, calls, failure) => {
                let kind = kind.map_or("any".into(), |kind| lower(&kind));
                let (calls, n) = match calls {
                    Calls::Nth(n) => ("nth", n),
                    Calls::From(n) => ("from", n),
                    Calls::OneIn(n) => ("onein", n),
                };
                write!(f, "fail {kind} {calls} {n} {}", lower(failure))
            }
            Step::Full(bytes) => write!(f, "full {bytes}"),
            plain => f.write_str(&lower(plain)),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "machine {} settings {}", self.seed, self.variant)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

fn lower(value: &impl fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

/// The one of `all` whose name is `word`.
fn named<T: Copy + fmt::Debug>(all: &[T], word: &str) -> Option<T> {
    all.iter().copied().find(|value| lower(value) == word)
}

fn parse_change(word: &str) -> Option<Change> {
    if let Some(key) = word.strip_suffix('-') {
        return Some(Change { key: key.parse().ok()?, value: None });
    }
    let (key, value) = word.split_once('=')?;
    let (tag, length) = value.split_once('x')?;
    Some(Change { key: key.parse().ok()?, value: Some((tag.parse().ok()?, length.parse().ok()?)) })
}

fn parse_changes(text: &str) -> Option<Vec<Change>> {
    text.split_whitespace().map(parse_change).collect()
}

fn parse_fail(rest: &str) -> Option<Step> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [kind, calls, n, failure] = words[..] else { return None };
    let kind = match kind {
        "any" => None,
        word => Some(named(OpKind::ALL, word)?),
    };
    let n = n.parse().ok()?;
    let calls = match calls {
        "nth" => Calls::Nth(n),
        "from" => Calls::From(n),
        "onein" => Calls::OneIn(n),
        _ => return None,
    };
    Some(Step::Fail(kind, calls, named(Failure::ERRORS, failure)?))
}

fn parse_step(line: &str) -> Option<Step> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let counted = || {
        let (n, crash) = rest.split_once(' ')?;
        Some((n.parse().ok()?, Crash::parse(crash)?))
    };
    let plain = [
        Step::Flush,
        Step::Compact,
        Step::Rest,
        Step::Aside,
        Step::Copy,
        Step::Place,
        Step::Reader,
        Step::Snapshot,
        Step::Release,
        Step::Check,
        Step::Reopen,
    ];
    match word {
        "write" => {
            let (level, changes) = rest.split_once(' ').unwrap_or((rest, ""));
            Some(Step::Write(named(Level::ALL, level)?, parse_changes(changes)?))
        }
        "ingest" => parse_changes(rest).map(Step::Ingest),
        "settings" => rest.parse().ok().map(Step::Settings),
        "strike" => Strike::parse(rest).map(Step::Strike),
        "at" => counted().map(|(n, crash)| Step::CrashIn(n, crash)),
        "recovery" => counted().map(|(n, crash)| Step::CrashRecovery(n, crash)),
        "kill" | "cut" => Crash::parse(line).map(Step::Crash),
        "fail" => parse_fail(rest),
        "full" => rest.parse().ok().map(Step::Full),
        "heal" => Some(Step::Heal),
        _ => plain.into_iter().find(|step| step.to_string() == line),
    }
}

impl Script {
    /// Reads what `Display` wrote; empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// The line that cannot be read.
    pub fn parse(text: &str) -> Result<Script, String> {
        let is_step = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let mut lines = text.lines().map(str::trim).filter(is_step);
        let head: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
        let ["machine", seed, "settings", variant] = head[..] else {
            return Err(format!("not a script's first line: {head:?}"));
        };
        let number = |text: &str| text.parse().map_err(|e| format!("{text}: {e}"));
        let step = |line: &str| parse_step(line).ok_or_else(|| format!("not a step: {line}"));
        Ok(Script {
            seed: number(seed)?,
            variant: number(variant)?,
            steps: lines.map(step).collect::<Result<_, _>>()?,
        })
    }
}

impl Step {
    /// The rule that a failing step adds.
    pub(super) fn rule(&self) -> Option<Rule> {
        match *self {
            Step::Fail(Some(kind), calls, failure) => Some(Rule::new(calls, failure).of(kind)),
            Step::Fail(None, calls, failure) => Some(Rule::new(calls, failure)),
            _ => None,
        }
    }
}
