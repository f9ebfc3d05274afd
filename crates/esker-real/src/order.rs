//! `order`: the calls of a run without threads, as strace shows them, against the rules of order.
//!
//! - **O1** A table gets its name when its content is synced.
//! - **O2** The manifest in force is written when each table and log has its name on disk.
//! - **O3** `CURRENT` gets its name when its content, and the manifest, and the names of manifest,
//!   tables and logs, are on disk.
//! - **O4** A table, log or manifest is removed, or a log used again, when the manifest is synced,
//!   and `CURRENT`'s name.
//! - **O5** A step of level `Power` is acknowledged when, since it began, its log was synced, and
//!   the log's name is on disk.
//!
//! A log is written through a map, so its writes are not calls; its syncs are.

use crate::tools;
use crate::trace::{Event, parse};
use crate::workload::Level;
use crate::writer::Plan;
use esker::Durability;
use std::collections::HashSet;
use std::process::Command;

/// What strace is to show.
const CALLS: &str = "trace=openat,write,pwrite64,writev,pwritev,ftruncate,fallocate,fsync,\
                     fdatasync,rename,renameat,renameat2,unlink,unlinkat";

/// Runs a writer in `path`, twice, so that the second recovers, and checks its calls. Then leaves
/// out each sync in turn: the rules must miss those that count.
///
/// # Errors
/// The rule that was broken; strace is missing.
pub fn run(path: &str) -> Result<String, String> {
    let _ = std::fs::remove_dir_all(path);
    let mut all = Vec::new();
    for level in [Level::Only(Durability::Power), Level::Mixed] {
        let events = trace(path, level)?;
        check(&events).map_err(|e| format!("level {level}: {e}"))?;
        all.push(events);
    }
    let mut report = String::new();
    for events in all {
        let syncs = || events.iter().enumerate().filter(|(_, e)| matches!(e, Event::Sync(_)));
        let is_missed = |&(at, _): &(usize, &Event)| {
            let mut without = events.clone();
            without.remove(at);
            check(&without).is_err()
        };
        let missed = syncs().filter(is_missed).count();
        let (calls, syncs) = (events.len(), syncs().count());
        report +=
            &format!("{calls} calls in order; {missed} of {syncs} syncs missed if left out\n");
    }
    Ok(report)
}

/// The calls of a writer on the database in `path`.
fn trace(path: &str, level: Level) -> Result<Vec<Event>, String> {
    let plan = Plan {
        path: path.into(),
        steps: 330,
        level,
        background: 0,
        memtable_bytes: 8 << 10,
        says_begin: true,
        ..Plan::default()
    };
    let output = format!("{path}.strace");
    let line = ["-f", "-y", "-s", "200", "-o", &output, "-e", CALLS];
    let strace = Command::new("strace").args(line).arg(tools::this()?).args(plan.words()).output();
    let strace = strace.map_err(|e| format!("strace: {e}"))?;
    tools::succeeded("strace", &strace)?;
    let text = std::fs::read_to_string(&output).map_err(|e| format!("{output}: {e}"))?;
    let inside = |event: &Event| match event {
        Event::Say(_) => true,
        Event::Create(name) | Event::Write(name) | Event::Sync(name) | Event::Remove(name) => {
            name.starts_with(path)
        }
        Event::Rename(_, to) => to.starts_with(path),
    };
    Ok(parse(&text).into_iter().filter(inside).collect())
}

/// Checks `events` against the rules.
///
/// # Errors
/// The first event that breaks one, by its number.
pub fn check(events: &[Event]) -> Result<(), String> {
    let mut disk = Disk::default();
    for (number, event) in events.iter().enumerate() {
        disk.take(event).map_err(|rule| format!("event {number}, {event:?}: {rule}"))?;
    }
    Ok(())
}

/// What is known to be on disk.
#[derive(Default)]
struct Disk {
    /// Files that were written since they were synced.
    dirty: HashSet<String>,
    /// Files that are there.
    names: HashSet<String>,
    /// Names that were given since their directory was synced.
    unnamed: HashSet<String>,
    /// The log that was made last.
    log: String,
    /// Whether it was synced since the step under way began.
    is_log_synced: bool,
}

impl Disk {
    fn take(&mut self, event: &Event) -> Result<(), &'static str> {
        match event {
            Event::Create(name) => self.create(name),
            Event::Write(name) => return self.write(name),
            Event::Sync(name) => self.sync(name),
            Event::Rename(from, to) => return self.rename(from, to),
            Event::Remove(name) => return self.remove(name),
            Event::Say(line) => return self.say(line),
        }
        Ok(())
    }

    fn create(&mut self, name: &str) {
        if self.names.insert(name.into()) {
            self.unnamed.insert(name.into());
        }
        if is_log(name) {
            self.log = name.into();
        }
    }

    fn write(&mut self, name: &str) -> Result<(), &'static str> {
        let is_tied = |name: &String| is_table(name) || is_log(name);
        let is_in_force = is_manifest(name) && !self.unnamed.contains(name);
        if is_in_force && self.unnamed.iter().any(is_tied) {
            return Err("O2: a table or log has no name on disk yet");
        }
        self.dirty.insert(name.into());
        Ok(())
    }

    fn sync(&mut self, name: &str) {
        self.dirty.remove(name);
        // A directory: all names in it.
        self.unnamed.retain(|file| directory(file) != name);
        self.is_log_synced |= name == self.log;
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), &'static str> {
        if is_table(to) && self.dirty.contains(from) {
            return Err("O1: the content of the table is not on disk");
        }
        let is_tied = |name: &String| is_manifest(name) || is_table(name) || is_log(name);
        if to.ends_with("/CURRENT")
            && (self.dirty.contains(from)
                || self.dirty.iter().any(|name| is_manifest(name))
                || self.unnamed.iter().any(is_tied))
        {
            return Err("O3: CURRENT or its manifest is not on disk");
        }
        if is_log(from) {
            // To be written anew: what it held is gone.
            self.remove(from)?;
        }
        self.names.remove(from);
        self.names.insert(to.into());
        self.unnamed.remove(from);
        self.unnamed.insert(to.into());
        if is_log(to) {
            self.log = to.into();
        }
        if self.dirty.remove(from) {
            self.dirty.insert(to.into());
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), &'static str> {
        let counts = is_table(name) || is_log(name) || is_manifest(name);
        let is_current = |name: &String| name.ends_with("/CURRENT");
        let is_unsafe =
            self.dirty.iter().any(|file| is_manifest(file)) || self.unnamed.iter().any(is_current);
        if counts && is_unsafe {
            return Err("O4: what replaces the file is not on disk");
        }
        self.dirty.remove(name);
        self.names.remove(name);
        self.unnamed.remove(name);
        Ok(())
    }

    fn say(&mut self, line: &str) -> Result<(), &'static str> {
        if line.starts_with("begin ") {
            self.is_log_synced = false;
        }
        if !line.starts_with("ok ") || !line.ends_with(" power") {
            return Ok(());
        }
        match (self.is_log_synced, self.unnamed.contains(&self.log)) {
            (false, _) => Err("O5: the log was not synced"),
            (_, true) => Err("O5: the log has no name on disk"),
            _ => Ok(()),
        }
    }
}

fn directory(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn is_table(name: &str) -> bool {
    name.ends_with(".sstable")
}

fn is_log(name: &str) -> bool {
    name.ends_with(".log")
}

fn is_manifest(name: &str) -> bool {
    name.contains("/MANIFEST-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<Event> {
        let (temporary, name) = ("d/1.sstable.0.tmp".to_string(), "d/1.sstable".to_string());
        vec![
            Event::Create(temporary.clone()),
            Event::Write(temporary.clone()),
            Event::Sync(temporary.clone()),
            Event::Rename(temporary, name),
            Event::Sync("d".into()),
            Event::Write("d/MANIFEST-1".into()),
            Event::Sync("d/MANIFEST-1".into()),
            Event::Remove("d/2.log".into()),
        ]
    }

    /// As a database that was closed is opened: names, then the manifest.
    #[test]
    fn a_manifest_that_is_opened_again_is_in_force() {
        let manifest = "d/MANIFEST-1".to_string();
        let mut events = vec![
            Event::Create(manifest.clone()),
            Event::Sync("d".into()),
            Event::Create("d/2.log".into()),
            Event::Sync("d".into()),
            Event::Create(manifest.clone()),
            Event::Write(manifest),
        ];
        assert_eq!(check(&events), Ok(()));
        events.remove(3);
        assert!(check(&events).unwrap_err().contains("O2"));
    }

    #[test]
    fn each_sync_of_a_flush_is_missed() {
        assert_eq!(check(&table()), Ok(()));
        for (at, rule) in [(2, "O1"), (4, "O2"), (6, "O4")] {
            let mut events = table();
            events.remove(at);
            assert!(check(&events).unwrap_err().contains(rule));
        }
    }

    #[test]
    fn current_needs_its_manifest_on_disk() {
        let next = "d/CURRENT.next".to_string();
        let events = [
            Event::Create("d/MANIFEST-3".into()),
            Event::Write("d/MANIFEST-3".into()),
            Event::Sync("d/MANIFEST-3".into()),
            Event::Sync("d".into()),
            Event::Create(next.clone()),
            Event::Write(next.clone()),
            Event::Sync(next.clone()),
            Event::Rename(next, "d/CURRENT".into()),
            Event::Sync("d".into()),
            Event::Remove("d/MANIFEST-1".into()),
        ];
        assert_eq!(check(&events), Ok(()));
        for (at, rule) in [(2, "O3"), (3, "O3"), (6, "O3"), (8, "O4")] {
            let mut events = events.to_vec();
            events.remove(at);
            assert!(check(&events).unwrap_err().contains(rule));
        }
    }

    #[test]
    fn a_durable_step_needs_its_log_on_disk() {
        let events = [
            Event::Create("d/1.log".into()),
            Event::Sync("d".into()),
            Event::Say("begin 0 1".into()),
            Event::Sync("d/1.log".into()),
            Event::Say("ok 0 1 power".into()),
            Event::Say("begin 0 2".into()),
            Event::Say("ok 0 2 process".into()),
        ];
        assert_eq!(check(&events), Ok(()));
        for at in [1, 3] {
            let mut events = events.to_vec();
            events.remove(at);
            assert!(check(&events).unwrap_err().contains("O5"));
        }
    }

    #[test]
    fn lines_of_strace_are_read() {
        let text = "7 openat(AT_FDCWD</>, \"d/1.log\", O_RDWR|O_CREAT, 0666) = 3</d/1.log>\n\
                    8 fsync(4</d> <unfinished ...>\n\
                    7 pwrite64(3</d/1.log>, \"a\", 1, 0) = 1\n\
                    8 <... fsync resumed>) = 0\n\
                    7 fdatasync(3</d/1.log>)          = -1 EIO (Input/output error)\n\
                    7 write(1<pipe:[5]>, \"ok 0 1 power\\n\", 13) = 13\n";
        let events = [
            Event::Create("d/1.log".into()),
            Event::Write("/d/1.log".into()),
            Event::Sync("/d".into()),
            Event::Say("ok 0 1 power".into()),
        ];
        assert_eq!(parse(text), events);
    }
}
