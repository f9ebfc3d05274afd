//! Opening a database again, after a kill and after a clean close.

use super::Context;
use crate::data::Sum;
use crate::engines::Result;
use crate::measure::Outcome;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Entries in the log when the process is killed.
const LOGGED: u64 = 250_000;

/// The name of the set that the process to be killed runs.
pub const VICTIM: &str = "victim";

/// Puts the entries, says so, and waits to be killed.
pub fn load_and_wait(context: &mut Context) -> Result<()> {
    for id in 0..LOGGED {
        context.engine()?.put(&context.key(id), context.values.value(id, 0))?;
    }
    println!("{VICTIM}");
    std::io::stdout().flush()?;
    loop {
        std::thread::park();
    }
}

/// Opens after a kill.
pub fn after_kill(context: &mut Context) -> Result<Vec<Outcome>> {
    context.engine = None;
    std::fs::remove_dir_all(&context.setup.directory)?;
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let set = words.iter().position(|word| word == "--child").ok_or("not a child")? + 1;
    words[set] = VICTIM.into();
    let mut child = Command::new(std::env::current_exe()?)
        .args(words)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no output of the victim")?;
    let is_loaded =
        BufReader::new(stdout).lines().any(|line| line.is_ok_and(|line| line == VICTIM));
    child.kill()?;
    child.wait()?;
    if !is_loaded {
        return Err("the process to be killed failed before".into());
    }
    let mut outcome = open(context, "open_after_kill")?;
    outcome.operations = LOGGED;
    let engine = context.engine()?;
    let mut reader = engine.reader()?;
    outcome.found = 0;
    for id in 0..LOGGED {
        outcome.found += u64::from(reader.get(&context.key(id), &mut outcome.sum)?);
    }
    Ok(vec![outcome])
}

/// Opens after a clean close.
pub fn clean(context: &mut Context) -> Result<Vec<Outcome>> {
    context.engine = None;
    let mut all = Outcome::new("open_clean");
    for _ in 0..5 {
        let one = open(context, "open_clean")?;
        all.operations += 1;
        all.elapsed += one.elapsed;
        all.latencies.merge(&one.latencies);
        context.engine = None;
    }
    Ok(vec![all])
}

fn open(context: &mut Context, name: &'static str) -> Result<Outcome> {
    let mut outcome = Outcome::new(name);
    let start = Instant::now();
    let engine = (context.kind.open)(&context.setup)?;
    engine.reader()?.get(&context.key(0), &mut Sum::default())?;
    outcome.elapsed = start.elapsed();
    outcome.operations = 1;
    outcome.latencies.record(outcome.elapsed.as_nanos() as u64);
    context.engine = Some(engine);
    Ok(outcome)
}
