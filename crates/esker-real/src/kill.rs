//! `kill`: a writing process is killed, hundreds of times.

use crate::watcher::{Crash, Heard, Said, check, plan};
use crate::workload::mix;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Rounds after which a new database is begun.
const ROUNDS_OF_ONE: u64 = 25;
/// Milliseconds that a writer lives, at the most.
const LIFE_MAX: u64 = 400;

/// What has been done.
#[derive(Debug, Default)]
pub struct Report {
    /// Processes that were killed.
    pub kills: u64,
    /// Steps that they had acknowledged.
    pub acknowledged: u64,
    /// Openings that found a torn log.
    pub torn: u64,
}

/// Kills `rounds` writers on a database at `path`, which goes on from one to the next; what is done
/// follows from `seed`, but for the moment of the kill.
///
/// # Errors
/// The first check that failed, with what repeats it.
pub fn run(path: &str, rounds: u64, seed: u64) -> Result<Report, String> {
    let mut report = Report::default();
    let mut known: BTreeMap<u64, Said> = BTreeMap::new();
    for round in 0..rounds {
        if round % ROUNDS_OF_ONE == 0 {
            let _ = std::fs::remove_dir_all(path);
            known.clear();
        }
        let plan = plan(path, mix(seed, round, 0));
        let life = Duration::from_micros(mix(seed, round, 1) % (LIFE_MAX * 1000));
        let heard = write_and_kill(&plan.words(), life)?;
        report.kills += u64::from(!heard.has_ended);
        report.acknowledged += heard.acknowledged;
        // A thread that had not yet begun is where it was.
        for said in known.values_mut() {
            said.most = said.least;
        }
        known.extend(heard.threads);
        let failed = |e| format!("seed {seed}, round {round}, {life:?}, {plan:?}: {e}");
        let found = check(path, &known).map_err(failed)?;
        report.torn += u64::from(found.is_torn);
        let exactly = |(thread, step)| (thread, Said { least: step, most: step });
        known = found.steps.into_iter().map(exactly).collect();
    }
    Ok(report)
}

/// Starts a writer with `words`, and kills it after `life`.
fn write_and_kill(words: &[String], life: Duration) -> Result<Heard, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut child = Command::new(program)
        .args(words)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("the writer: {e}"))?;
    let output = child.stdout.take().ok_or("no pipe")?;
    let listener = std::thread::spawn(move || {
        let mut heard = Heard::default();
        heard.listen(BufReader::new(output), Crash::Process);
        heard
    });
    std::thread::sleep(life);
    child.kill().map_err(|e| e.to_string())?;
    let status = child.wait().map_err(|e| e.to_string())?;
    if let Some(code) = status.code()
        && code != 0
    {
        return Err(format!("the writer ended by itself: {status}"));
    }
    listener.join().map_err(|_| "the listener failed".into())
}
