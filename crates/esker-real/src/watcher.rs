//! Starts the writing program, listens to it, and checks what it leaves.

use crate::workload::{Level, compare, last_step, settings};
use crate::writer::Plan;
use esker::Db;
use std::collections::BTreeMap;
use std::io::BufRead;

/// What of one thread was said to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The last step that must be there.
    pub least: u64,
    /// The last step that can be there.
    pub most: u64,
}

/// What the program said, by thread.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// By thread.
    pub threads: BTreeMap<u64, Said>,
    /// Steps that were acknowledged.
    pub acknowledged: u64,
    /// Whether it came to its end.
    pub has_ended: bool,
    /// The last failure that it told.
    pub failure: Option<String>,
}

/// What the machine went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process ended; the system went on.
    Process,
    /// The power went.
    Power,
}

impl Heard {
    /// Takes in one line. What was acknowledged at a level that survives `crash` must be there.
    pub fn hear(&mut self, line: &str, crash: Crash) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().unwrap_or_default();
        match words[..] {
            ["open", thread, step] => {
                let step = number(step);
                // It was recovered, and so it is on disk.
                let said = Said { least: step, most: step + 1 };
                self.threads.insert(number(thread), said);
            }
            ["ok", thread, step, level] => {
                let said = self.threads.entry(number(thread)).or_default();
                let survives = level == "power" || level == "process" && crash == Crash::Process;
                said.most = number(step) + 1;
                if survives {
                    said.least = number(step);
                }
                self.acknowledged += 1;
            }
            ["end"] => {
                self.has_ended = true;
                // It was closed with a flush.
                self.threads.values_mut().for_each(|said| said.least = said.most - 1);
            }
            ["failed", ..] => self.failure = line.strip_prefix("failed ").map(String::from),
            _ => {}
        }
    }

    /// Takes in all lines that come.
    pub fn listen(&mut self, lines: impl BufRead, crash: Crash) {
        for line in lines.lines().map_while(Result::ok) {
            self.hear(&line, crash);
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The last step of each thread.
    pub steps: BTreeMap<u64, u64>,
    /// Whether the last log ended in a torn record.
    pub is_torn: bool,
}

/// Opens the database in `path`, and checks that each thread's content is that after one of its
/// steps, within what was said of it, and that every table is sound.
///
/// # Errors
/// What is wrong.
pub fn check(path: &str, threads: &BTreeMap<u64, Said>) -> Result<Found, String> {
    let settings = settings(0, Plan::default().memtable_bytes);
    let db = Db::open(path, settings).map_err(|e| format!("open: {e}"))?;
    let mut found = Found { is_torn: db.recovery().torn_at.is_some(), ..Found::default() };
    for (&thread, said) in threads {
        let step = last_step(&db, thread)?;
        if step < said.least || step > said.most {
            let Said { least, most } = said;
            return Err(format!("thread {thread}: step {step}, expected {least} to {most}"));
        }
        compare(&db, thread, step)?;
        found.steps.insert(thread, step);
    }
    db.verify().map_err(|e| format!("verify: {e}"))?;
    Ok(found)
}

/// A plan that follows from a number.
pub fn plan(path: &str, random: u64) -> Plan {
    Plan {
        path: path.into(),
        threads: 1 + random % 4,
        level: Level::ALL[(random >> 8) as usize % Level::ALL.len()],
        background: (random >> 16) as usize % 3,
        memtable_bytes: 8 << 10 << ((random >> 24) % 5),
        ..Plan::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::batch;

    fn written(path: &str, steps: u64) {
        let db = Db::open(path, settings(0, 8 << 10)).unwrap();
        (1..=steps).for_each(|n| db.write(&batch(0, n).unwrap(), Default::default()).unwrap());
    }

    fn heard(lines: &str, crash: Crash) -> BTreeMap<u64, Said> {
        let mut heard = Heard::default();
        heard.listen(lines.as_bytes(), crash);
        heard.threads
    }

    #[test]
    fn what_was_said_bounds_what_may_be_there() {
        let lines = "open 0 2\nok 0 3 power\nok 0 4 process\nok 0 5 none\nok 0 ";
        let said = |crash| heard(lines, crash)[&0];
        assert_eq!(said(Crash::Power), Said { least: 3, most: 6 });
        assert_eq!(said(Crash::Process), Said { least: 4, most: 6 });
    }

    #[test]
    fn a_lost_an_invented_and_a_changed_step_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        written(path, 30);
        let exactly = |n| BTreeMap::from([(0, Said { least: n, most: n })]);
        assert_eq!(check(path, &exactly(30)).unwrap().steps[&0], 30);
        assert!(check(path, &exactly(31)).unwrap_err().contains("step 30, expected 31"));
        assert!(check(path, &exactly(29)).unwrap_err().contains("step 30, expected 29"));
        let db = Db::open(path, settings(0, 8 << 10)).unwrap();
        let key = db.iter().next().unwrap().unwrap().0;
        db.put(&key, b"changed").unwrap();
        drop(db);
        assert!(check(path, &exactly(30)).unwrap_err().contains("after step 30"));
    }
}
