//! A database that a process writes while it is read.

use crate::peers::{printed, python};
use esker_foreign::{Database, DatabaseSettings};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Writes ten keys in one batch, again and again, and much else, so that tables come and go; says
/// each time what it has finished.
const WRITE: &str = "
import plyvel, random, sys
r = random.Random(5)
db = plyvel.DB(sys.argv[1], create_if_missing=True,
    write_buffer_size=1 << 16, max_file_size=1 << 16)
for i in range(1 << 30):
    with db.write_batch() as batch:
        for key in range(10):
            batch.put(b'same%d' % key, b'%012d' % i)
    for _ in range(50):
        db.put(b'other%05d' % r.randrange(20000), r.randbytes(200))
        db.delete(b'other%05d' % r.randrange(20000))
    if i % 400 == 399:
        db.compact_range()
    print(i, flush=True)
    if sys.stdin.readline() != 'go on\\n':
        break
";

/// Ends the process, whatever becomes of the test.
struct Writer(std::process::Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_living_writer_is_read_as_of_one_moment() {
    use std::io::Write;
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut command = Command::new(python.get_program());
    command.args(["-c", WRITE]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut writer = Writer(command.spawn().unwrap());
    let mut lines = BufReader::new(writer.0.stdout.take().unwrap()).lines();
    let mut input = writer.0.stdin.take().unwrap();
    // It writes freely: as many lines ahead as are asked for.
    input.write_all("go on\n".repeat(1500).as_bytes()).unwrap();
    let mut done: u64 = lines.next().unwrap().unwrap().parse().unwrap();
    let (mut tables_gone, mut reads) = (0, 0);
    while done < 1400 {
        let database = Database::open(&path).unwrap();
        let is_told =
            database.notices().iter().any(|notice| notice.contains("has the database open"));
        assert!(is_told || !cfg!(target_os = "linux"), "{:?}", database.notices());
        // It goes on and removes tables, while this view stays.
        for line in lines.by_ref().take(150) {
            done = line.unwrap().parse().unwrap();
        }
        tables_gone += database.tables().iter().filter(|table| !table.path.exists()).count();
        let first = database.get(b"same0").unwrap().unwrap();
        for entry in database.prefix(b"same") {
            assert_eq!(entry.unwrap().1, first, "all of a batch or nothing of it");
        }
        assert_eq!(database.prefix(b"same").count(), 10);
        let forward: Vec<_> = database.visible().map(Result::unwrap).collect();
        let mut backward: Vec<_> = database.visible().rev().map(Result::unwrap).collect();
        backward.reverse();
        assert!(forward == backward, "the same view each time");
        reads += 1;
    }
    assert!(reads > 5 && tables_gone > 10, "{reads} reads, {tables_gone} tables went meanwhile");
    drop(writer);

    let listing = "import plyvel, sys\nfor k, v in plyvel.DB(sys.argv[1]): print(k.hex(), v.hex())";
    let ours: Vec<_> = Database::open(&path).unwrap().visible().map(Result::unwrap).collect();
    assert!(
        Database::open(&path).unwrap().notices().iter().all(|n| !n.contains("has the database"))
    );
    let theirs = printed(Command::new(python.get_program()).args(["-c", listing]).arg(&path));
    let hex = crate::fixtures::hex;
    let ours: String = ours.iter().map(|(k, v)| format!("{} {}\n", hex(k), hex(v))).collect();
    assert!(ours == theirs, "and in the end what it lists itself");
}

/// Writes keys in order, so that each memtable becomes a table of its own, too many to be held
/// open; when it is told to, it merges them into others.
const MANY: &str = "
import plyvel, sys
db = plyvel.DB(sys.argv[1], create_if_missing=True, write_buffer_size=1 << 16)
def write():
    for key in range(600 * 16):
        db.put(b'key%06d' % key, b'%04d' % key * 1024)
write()
print('written', flush=True)
sys.stdin.readline()
write()
db.compact_range(start=b'a', stop=b'z')
print('merged', flush=True)
sys.stdin.readline()
";

#[test]
fn tables_that_go_and_are_too_many_to_hold_are_told() {
    use std::io::Write;
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut command = Command::new(python.get_program());
    command.args(["-c", MANY]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut writer = Writer(command.spawn().unwrap());
    let mut lines = BufReader::new(writer.0.stdout.take().unwrap()).lines();
    let mut input = writer.0.stdin.take().unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "written");

    let mut settings = DatabaseSettings::default();
    settings.accept_loss = true;
    let database = Database::open(&path).unwrap();
    let lenient = Database::open_with(&path, &settings).unwrap();
    assert!(database.tables().len() > 512, "{} tables", database.tables().len());
    let mut entries = database.visible();
    let before = entries.by_ref().take(5000).filter(Result::is_ok).count();
    assert_eq!(before, 5000, "all is there at first");

    input.write_all(b"merge\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "merged");
    let rest: Vec<_> = entries.collect();
    let (last, sound) = rest.split_last().unwrap();
    assert!(sound.iter().all(Result::is_ok));
    // A table that moved is not a damaged one: that is not a loss to accept.
    assert!(last.is_err(), "it ends with an error");
    for error in [last.as_ref().unwrap_err(), &lenient.get(b"key009000").unwrap_err()] {
        let error = error.to_string();
        assert!(error.contains(".ldb") && error.contains("another process removed"), "{error}");
    }
    assert!(lenient.losses().is_empty());
    let again = Database::open(&path).unwrap();
    assert_eq!(again.visible().filter(Result::is_ok).count(), 600 * 16, "reading again finds all");
}
