//! The program that is killed, starved and cut off: writes, and says what was acknowledged.
//!
//! It prints a line for each moment that a watcher must know, each by one call of `write`:
//! - `open T N`: thread `T` goes on after step `N`, which was found.
//! - `begin T N`: thread `T` is about to write step `N`. Only where asked for.
//! - `ok T N LEVEL`: step `N` of thread `T` is acknowledged, with the durability `LEVEL`.
//! - `failed MESSAGE`: a call gave an error. Reads have been checked since; the program goes on
//!   when a line comes in, or else ends.
//! - `end`: all is done.

use crate::workload::{GROWING, Level, apply, batch, compare, content, last_step, settings};
use esker::{Db, Durability};
use std::fmt;
use std::io::{self, Write};
use std::thread::ScopedJoinHandle;

/// Steps between two flushes by hand, and between two compactions.
const FLUSH_EVERY: u64 = 64;
const COMPACT_EVERY: u64 = 300;

/// How the program writes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Directory of the database.
    pub path: String,
    /// Threads that write.
    pub threads: u64,
    /// Number of the first of them.
    pub first: u64,
    /// Steps of each thread.
    pub steps: u64,
    /// How durable they are to be.
    pub level: Level,
    /// Threads of the background.
    pub background: usize,
    /// Bytes of a memtable.
    pub memtable_bytes: usize,
    /// Whether to say `begin`.
    pub says_begin: bool,
    /// Whether to wait for a line after a failure, and to try again then.
    pub waits: bool,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            path: String::new(),
            threads: 1,
            first: 0,
            steps: u64::MAX,
            level: Level::Mixed,
            background: 1,
            memtable_bytes: 16 << 10,
            says_begin: false,
            waits: false,
        }
    }
}

impl Plan {
    /// The plan as words for the command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["write".into(), self.path.clone()];
        let mut add = |name: &str, value: String| words.extend([name.to_string(), value]);
        add("--threads", self.threads.to_string());
        add("--first", self.first.to_string());
        add("--steps", self.steps.to_string());
        add("--level", self.level.to_string());
        add("--background", self.background.to_string());
        add("--memtable", self.memtable_bytes.to_string());
        add("--begin", self.says_begin.to_string());
        add("--wait", self.waits.to_string());
        words
    }

    /// The plan that `words` say, without the first.
    ///
    /// # Errors
    /// A word that means nothing.
    pub fn parse(words: &[String]) -> Result<Plan, String> {
        let (path, pairs) = words.split_first().ok_or("no directory")?;
        let mut plan = Plan { path: path.clone(), ..Plan::default() };
        for pair in pairs.chunks(2) {
            let [name, value] = pair else { return Err(format!("{}: no value", pair[0])) };
            let wrong = |_| format!("{name} {value}: not a number");
            match name.as_str() {
                "--threads" => plan.threads = value.parse().map_err(wrong)?,
                "--first" => plan.first = value.parse().map_err(wrong)?,
                "--steps" => plan.steps = value.parse().map_err(wrong)?,
                "--background" => plan.background = value.parse().map_err(wrong)?,
                "--memtable" => plan.memtable_bytes = value.parse().map_err(wrong)?,
                "--level" => plan.level = Level::parse(value).ok_or("no such level")?,
                "--begin" => plan.says_begin = value == "true",
                "--wait" => plan.waits = value == "true",
                _ => return Err(format!("{name}: not known")),
            }
        }
        Ok(plan)
    }
}

/// Why the program ends before its end.
#[derive(Debug)]
pub enum Stop {
    /// The machine failed, and the engine said so.
    Failed(String),
    /// The engine gave a wrong answer.
    Wrong(String),
}

fn say(line: fmt::Arguments<'_>) -> Result<(), Stop> {
    let line = format!("{line}\n");
    let said = io::stdout().lock().write_all(line.as_bytes());
    said.map_err(|e| Stop::Failed(format!("standard output: {e}")))
}

fn failed(error: impl fmt::Display) -> Stop {
    Stop::Failed(error.to_string())
}

/// Does what `plan` says.
///
/// # Errors
/// See [`Stop`].
pub fn run(plan: &Plan) -> Result<(), Stop> {
    let db = Db::open(&plan.path, settings(plan.background, plan.memtable_bytes));
    let db = db.map_err(failed)?;
    let ends = std::thread::scope(|scope| {
        let write = |thread| {
            let db = &db;
            let run = move || Writer { db, plan, thread }.run();
            std::thread::Builder::new().spawn_scoped(scope, run)
        };
        let writers: Vec<_> = (plan.first..plan.first + plan.threads).map(write).collect();
        let panicked = |_| Err(Stop::Wrong("a thread panicked".into()));
        let end = |writer: io::Result<ScopedJoinHandle<'_, _>>| match writer {
            Ok(writer) => writer.join().unwrap_or_else(panicked),
            Err(error) => Err(failed(error)),
        };
        writers.into_iter().map(end).collect::<Vec<_>>()
    });
    ends.into_iter().collect::<Result<(), Stop>>()?;
    db.close().map_err(failed)?;
    say(format_args!("end"))
}

struct Writer<'a> {
    db: &'a Db,
    plan: &'a Plan,
    thread: u64,
}

impl Writer<'_> {
    fn run(&self) -> Result<(), Stop> {
        let (db, thread) = (self.db, self.thread);
        let start = last_step(db, thread).map_err(Stop::Failed)?;
        let mut content = content(thread, start);
        say(format_args!("open {thread} {start}"))?;
        for step in start + 1..=start.saturating_add(self.plan.steps) {
            self.step(step)?;
            apply(&mut content, thread, step);
            self.look(&content, step)?;
            let chores = self.chores(step);
            if let Err(error) = chores {
                self.fail(&error, step, step)?;
            }
        }
        Ok(())
    }

    /// Writes step `step`; tries again after a failure, if the plan is to wait.
    fn step(&self, step: u64) -> Result<(), Stop> {
        let (thread, level) = (self.thread, self.plan.level.of(self.thread, step));
        let batch = batch(thread, step).map_err(failed)?;
        if self.plan.says_begin {
            say(format_args!("begin {thread} {step}"))?;
        }
        while let Err(error) = self.db.write(&batch, level) {
            self.fail(&error, step - 1, step)?;
        }
        let name = match level {
            Durability::Power => "power",
            Durability::Process => "process",
            Durability::None => "none",
        };
        say(format_args!("ok {thread} {step} {name}"))
    }

    /// Now and then flushes and compacts; but not where data grows, to see writes fail.
    fn chores(&self, step: u64) -> esker::Result<()> {
        if self.thread == GROWING {
            return Ok(());
        }
        if self.thread == self.plan.first && step.is_multiple_of(FLUSH_EVERY) {
            self.db.flush()?;
        }
        if self.thread == self.plan.first && step.is_multiple_of(COMPACT_EVERY) {
            self.db.compact_range::<&[u8]>(..)?;
        }
        Ok(())
    }

    /// Looks up what the last step wrote, and now and then everything.
    fn look(&self, content: &crate::workload::Content, step: u64) -> Result<(), Stop> {
        if step.is_multiple_of(50) {
            return self.read(step, step);
        }
        let found = last_step(self.db, self.thread).map_err(Stop::Failed)?;
        if found != step {
            return Err(Stop::Wrong(format!("step {found} is seen, not {step}")));
        }
        let nth = (step % content.len() as u64) as usize;
        let Some((key, value)) = content.iter().nth(nth) else { return Ok(()) };
        let found = self.db.get(key).map_err(failed)?;
        match found.as_deref() == Some(&value[..]) {
            true => Ok(()),
            false => Err(Stop::Wrong(format!("{}", String::from_utf8_lossy(key)))),
        }
    }

    /// Reads everything, which must be as after a step from `from` to `to`. A read may fail, as the
    /// machine does; but what it gives must be right.
    fn read(&self, from: u64, to: u64) -> Result<(), Stop> {
        let step = last_step(self.db, self.thread).map_err(Stop::Failed)?;
        if step < from || step > to {
            return Err(Stop::Wrong(format!("step {step} is seen, not {from} to {to}")));
        }
        compare(self.db, self.thread, step).map_err(|e| match e.contains("expected") {
            true => Stop::Wrong(e),
            false if e.contains("differ") => Stop::Wrong(e),
            false => Stop::Failed(e),
        })
    }

    /// After `error`: reads go on, with the content after a step from `from` to `to`. Then waits
    /// until the machine is well, or ends.
    fn fail(&self, error: &esker::Error, from: u64, to: u64) -> Result<(), Stop> {
        self.read(from, to)?;
        if !self.plan.waits {
            return Err(failed(error));
        }
        say(format_args!("failed {error}"))?;
        let mut line = String::new();
        match io::stdin().read_line(&mut line) {
            Ok(0) | Err(_) => Err(failed(error)),
            Ok(_) => Ok(()),
        }
    }
}
