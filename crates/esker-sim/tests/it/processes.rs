//! Threads that write together on the simulated machine, and real processes that are killed.

use crate::{DIRECTORY, content, open};
use esker::{Db, Durability, Settings, WriteBatch};
use esker_sim::engine::settings;
use esker_sim::{Calls, Crash, Failure, OpKind, PowerCut, Rule, SimVfs};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const THREADS: u32 = 3;

fn key(thread: u32, number: u32) -> Vec<u8> {
    format!("{thread} {number:05}").into_bytes()
}

/// Writes until it fails; gives the number of writes that were acknowledged as durable.
fn write_until_failure(db: &Db, thread: u32) -> u32 {
    for number in 0..400 {
        let mut batch = WriteBatch::new();
        batch.put(&key(thread, number), &[b'v'; 60]).unwrap();
        if db.write(&batch, Durability::Power).is_err() {
            return number;
        }
    }
    400
}

/// A crash or a failed sync while threads write together, with flushes behind them: whatever any
/// of them was told is there, and of each thread a prefix.
#[test]
fn a_follower_is_not_told_ok_when_the_leader_fails() {
    for seed in 0..60_u64 {
        let vfs = SimVfs::new(seed);
        let mut settings = settings(&vfs, seed);
        settings.background_threads = 1;
        let db = Db::open(DIRECTORY, settings).unwrap();
        let cut = PowerCut::any(seed);
        match seed % 3 {
            0 => vfs.fail(Rule::new(Calls::Nth(seed), Failure::Io).of(OpKind::Sync).at(".log")),
            _ => vfs.crash_at(20 + 13 * seed, Crash::Power(cut)),
        }
        let acknowledged: Vec<u32> = std::thread::scope(|scope| {
            let writer = |thread| {
                let db = &db;
                scope.spawn(move || write_until_failure(db, thread))
            };
            let writers: Vec<_> = (0..THREADS).map(writer).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let vfs = vfs.power_cut(cut);
        drop(db);
        let found = content(&open(&vfs).unwrap()).unwrap();
        for (thread, acknowledged) in (0..).zip(acknowledged) {
            let prefix = (0..400).take_while(|n| found.contains_key(&key(thread, *n))).count();
            let all = found.keys().filter(|k| k.starts_with(format!("{thread} ").as_bytes()));
            assert!(prefix as u32 >= acknowledged, "seed {seed}: {prefix} of {acknowledged}");
            assert_eq!(prefix, all.count(), "seed {seed}: holes");
        }
    }
}

/// Names the directory for [`child`].
const CHILD: &str = "ESKER_SIM_CHILD";

/// Not a test by itself: what [`a_killed_process_loses_nothing_that_it_was_told`] starts.
#[test]
fn child() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let mut settings = Settings::default();
    settings.memtable_size_bytes = Some(16 << 10);
    let db = Db::open(directory, settings).unwrap();
    for number in 0.. {
        db.put(&key(0, number), &[b'v'; 100]).unwrap();
        println!("ok {number}");
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_was_told() {
    for round in 0..6 {
        let id = std::process::id();
        let directory: PathBuf = std::env::temp_dir().join(format!("esker-sim-{id}-{round}"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::child", "--exact", "--nocapture"])
            .env(CHILD, &directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let numbers = lines.filter_map(|line| line.rsplit_once("ok ")?.1.parse().ok());
        let mut last = None;
        for number in numbers {
            last = Some(number);
            if number == 150 * (round + 1) {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let db = Db::open(&directory, Settings::default()).unwrap();
        let found = content(&db).unwrap();
        let last: u32 = last.unwrap();
        assert!(found.len() as u32 > last, "{} of {last}", found.len());
        assert!((0..found.len() as u32).all(|number| found.contains_key(&key(0, number))));
        drop(db);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
