//! `inject`: system calls that fail, one by one, and a process that ends at each of them.
//!
//! strace lets the `n`-th call of a kind fail with an error, or kills the process at it, for every
//! `n` of a short run. The run must end well or with an error that it names, and not hang; a later
//! opening must find all that was acknowledged.

use crate::tools;
use crate::watcher::{Crash, Heard, Said, check};
use crate::workload::Level;
use crate::writer::Plan;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// The calls that a database makes, and which errors they can give.
const CALLS: &[(&str, &[&str])] = &[
    ("fdatasync", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    ("fsync", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    ("pwrite64", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    ("write", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    ("openat", &["EIO", "ENOSPC", "EMFILE", "EDQUOT", "EINTR"]),
    ("rename", &["EIO", "ENOSPC", "EDQUOT"]),
    ("fallocate", &["EIO", "ENOSPC", "EDQUOT", "EINTR", "EOPNOTSUPP"]),
    ("ftruncate", &["EIO", "EINTR"]),
    ("unlink", &["EIO"]),
    ("mmap", &["ENOMEM", "EIO"]),
    ("pread64", &["EIO", "EINTR"]),
    ("read", &["EIO", "EINTR"]),
    ("statx", &["EIO"]),
    ("flock", &["EIO", "EINTR"]),
    ("clone3", &["EAGAIN"]),
];

/// How long a run may take. It needs a fraction of a second.
const LIMIT: Duration = Duration::from_secs(60);
/// Numbers `n` that are tried of one call and error; of more calls, not each.
const TRIES_MAX: u64 = 32;

/// What came of the runs of one call.
#[derive(Default)]
struct Tally {
    runs: u64,
    well: u64,
    failed: u64,
    killed: u64,
}

/// Runs all, or those of the one `only`, on databases in `path`.
///
/// # Errors
/// All runs that went wrong, with what repeats them.
pub fn run(path: &str, only: Option<&str>) -> Result<String, String> {
    let (mut report, mut wrong) = (String::new(), Vec::new());
    for background in [0, 1] {
        let plan = Plan {
            path: path.into(),
            threads: 1 + background as u64,
            steps: 80,
            level: Level::Mixed,
            background,
            memtable_bytes: 8 << 10,
            ..Plan::default()
        };
        let template = format!("{path}.template");
        make_template(&plan, &template)?;
        for (call, errors) in CALLS.iter().filter(|(call, _)| only.is_none_or(|o| o == *call)) {
            let count = count(&plan, &template, call)?;
            let mut tally = Tally::default();
            let kills = ["signal=KILL".to_string()];
            for fault in errors.iter().map(|error| format!("error={error}")).chain(kills) {
                let stride = count.div_ceil(TRIES_MAX).max(1);
                for n in (1..=count).step_by(stride as usize) {
                    let inject = format!("inject={call}:{fault}:when={n}");
                    let ended = one(&plan, &template, &inject, &mut tally);
                    wrong.extend(ended.err().map(|e| format!("{inject}, {plan:?}: {e}")));
                }
            }
            let Tally { runs, well, failed, killed } = tally;
            let line = format!(
                "background {background}, {call}: {count} calls, {runs} runs: {well} went on, \
                 {failed} said why not, {killed} were killed"
            );
            println!("{line}");
            report += &(line + "\n");
        }
    }
    match wrong.is_empty() {
        true => Ok("all as it should be".into()),
        false => Err(format!("{}\n{} went wrong", wrong.join("\n"), wrong.len())),
    }
}

/// Makes at `template` a database with tables and a log, as a killed writer leaves it.
fn make_template(plan: &Plan, template: &str) -> Result<(), String> {
    let _ = std::fs::remove_dir_all(template);
    let plan = Plan { path: template.into(), waits: true, ..plan.clone() };
    let inject = ["-f", "-o", "/dev/null", "-e", "inject=fdatasync:signal=KILL:when=30"];
    let mut strace = Command::new("strace");
    strace.args(inject).arg(tools::this()?).args(plan.words()).stdout(Stdio::null());
    strace.status().map(|_| ()).map_err(|e| format!("strace: {e}"))
}

/// Puts a copy of the template where the plan has its database.
fn renew(plan: &Plan, template: &str) -> Result<(), String> {
    let _ = std::fs::remove_dir_all(&plan.path);
    tools::run(&format!("cp -r {template} {}", plan.path)).map(|_| ())
}

/// How often a thread makes `call` in a run, at the most: strace counts by thread.
fn count(plan: &Plan, template: &str, call: &str) -> Result<u64, String> {
    renew(plan, template)?;
    let output = format!("{}.strace", plan.path);
    let line = ["-f", "-o", &output, "-e", &format!("trace={call}")];
    let strace = Command::new("strace").args(line).arg(tools::this()?).args(plan.words()).output();
    tools::succeeded("strace", &strace.map_err(|e| format!("strace: {e}"))?)?;
    let text = std::fs::read_to_string(&output).map_err(|e| format!("{output}: {e}"))?;
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for line in text.lines().filter(|line| line.contains(&format!(" {call}("))) {
        *counts.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    Ok(counts.values().copied().max().unwrap_or_default())
}

/// One run with a fault, and the check of what it leaves.
fn one(plan: &Plan, template: &str, inject: &str, tally: &mut Tally) -> Result<(), String> {
    renew(plan, template)?;
    let mut child = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", inject])
        .arg(tools::this()?)
        .args(plan.words())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("strace: {e}"))?;
    let (output, error) = (child.stdout.take(), child.stderr.take());
    let (output, mut error) = (output.ok_or("no pipe")?, error.ok_or("no pipe")?);
    let complaint = std::thread::spawn(move || {
        let mut text = String::new();
        error.read_to_string(&mut text).map(|_| text)
    });
    let listener = std::thread::spawn(move || {
        let mut heard = Heard::default();
        heard.listen(BufReader::new(output), Crash::Process);
        heard
    });
    let status = tools::wait(&mut child, LIMIT)?.ok_or("it hung")?;
    let heard = listener.join().map_err(|_| "the listener failed")?;
    let complaint = complaint.join().ok().and_then(Result::ok).unwrap_or_default();
    tally.runs += 1;
    judge(status, inject, &complaint, tally)?;
    // A thread that had not yet begun is where the template left it.
    let mut threads: BTreeMap<u64, Said> = BTreeMap::new();
    threads.extend((0..plan.threads).map(|t| (t, Said { least: 0, most: u64::MAX })));
    threads.extend(heard.threads);
    check(&plan.path, &threads).map(|_| ()).map_err(|e| format!("{e}; it said: {complaint}"))
}

/// Whether the end of a run is one that may be.
fn judge(
    status: ExitStatus,
    inject: &str,
    complaint: &str,
    tally: &mut Tally,
) -> Result<(), String> {
    let is_named = complaint.contains("failed: ");
    // An allocation that fails ends the process; so do calls of the loader, and of the language's
    // runtime as it begins a thread.
    let is_out_of_memory = status.signal() == Some(6) && complaint.contains("allocation");
    let is_loader = inject.starts_with("inject=mmap") && status.signal() == Some(11);
    let has_not_begun = status.code() == Some(127)
        || is_loader && complaint.is_empty()
        || status.signal() == Some(6) && complaint.contains("stack_overflow.rs");
    match (status.code(), status.signal()) {
        (Some(0), _) => tally.well += 1,
        (Some(3), _) if is_named => tally.failed += 1,
        (None, Some(9)) => tally.killed += 1,
        _ if is_out_of_memory || has_not_begun => tally.killed += 1,
        _ => return Err(format!("{status}: {}", complaint.trim())),
    }
    Ok(())
}
