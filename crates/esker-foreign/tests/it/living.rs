//! A database that a process writes while it is read.

use crate::peers::{printed, python};
use esker_foreign::Database;
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
