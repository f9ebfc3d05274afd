//! What other processes, and limits of this one, must not do to a database.
#![allow(unsafe_code)]

use esker::{Db, ErrorKind, Settings};
use std::process::Command;

/// Names the directory for [`child`].
const DIRECTORY: &str = "ESKER_TEST_DIRECTORY";

/// Not a test by itself: opens the database again and again, first with more threads than there is
/// memory for, and ends with an error that says what went wrong.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let mut settings = Settings::default();
    settings.memory_budget_bytes = 1 << 20;
    settings.background_threads = 256;
    let error = Db::open(&directory, settings.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    settings.background_threads = 1;
    let db = Db::open(&directory, settings).unwrap();
    db.put(b"a", b"1").unwrap();
    println!("opened");
}

#[cfg(target_os = "linux")]
#[test]
fn an_opening_that_gets_no_thread_gives_everything_back() {
    let directory = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let script = "ulimit -v 4000000; exec \"$0\" processes::child --exact --nocapture";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(program).env(DIRECTORY, directory.path().join("db"));
    // So large that what no stack fits into is enough for all else.
    command.env("RUST_MIN_STACK", "200000000").env("MALLOC_ARENA_MAX", "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("opened"), "{text}\n{complaint}");
}

#[cfg(unix)]
#[test]
fn a_lock_file_that_is_removed_keeps_a_second_opener_out_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Db::open(directory.path(), Settings::default());
    let db = open().unwrap();
    let noted = std::fs::read(directory.path().join("LOCK")).unwrap();
    assert_eq!(open().unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(std::fs::read(directory.path().join("LOCK")).unwrap(), noted);
    std::fs::remove_file(directory.path().join("LOCK")).unwrap();
    assert_eq!(open().unwrap_err().kind(), ErrorKind::Locked);
    drop(db);
    open().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_of_a_fork_is_refused_and_does_not_hang() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path(), Settings::default()).unwrap();
    db.put(b"a", b"1").unwrap();
    // SAFETY: the child makes few calls and ends without leaving this function.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: a child that hangs is to end.
        unsafe { libc::alarm(20) };
        let refused = |result: esker::Result<()>| result.is_err();
        let is_right = refused(db.put(b"b", b"2")) && refused(db.flush()) && refused(db.settle());
        drop(db);
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if is_right { 7 } else { 8 }) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "status {status}");
    db.put(b"c", b"3").unwrap();
    db.flush().unwrap();
    drop(db);
    let db = Db::open(directory.path(), Settings::default()).unwrap();
    assert!(db.has(b"a").unwrap() && !db.has(b"b").unwrap() && db.has(b"c").unwrap());
}
