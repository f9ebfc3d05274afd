//! LevelDB and RocksDB themselves, where this machine has them: what they make is read, what is
//! written they read.
//!
//! LevelDB is asked through Python's `plyvel` (`pip install plyvel`; `ESKER_PYTHON` names a Python
//! that has it), RocksDB through `ldb` and `db_bench` (Debian's `rocksdb-tools`). Where one is
//! missing, the tests say so and pass.

use crate::fixtures::hex;
use crate::written::{Entries, KINDS, odd_entries, settings};
use esker_foreign::{Database, Engine, LevelDbWriter};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `program` and gives what it prints; it must succeed.
fn printed(program: &mut Command) -> String {
    let output = program.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn runs(program: &mut Command, what: &str) -> bool {
    let quiet = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = quiet.status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: {what} is not on this machine");
    }
    is_there
}

/// A Python that has LevelDB.
fn python() -> Option<Command> {
    let name = std::env::var_os("ESKER_PYTHON").unwrap_or("python3".into());
    let is_there = runs(Command::new(&name).args(["-c", "import plyvel"]), "Python with plyvel");
    is_there.then(|| Command::new(name))
}

/// RocksDB's command, on the database at `path`.
fn ldb(path: &Path) -> Command {
    let mut command = Command::new("ldb");
    command.arg(format!("--db={}", path.display()));
    command
}

fn has_rocksdb() -> bool {
    runs(Command::new("ldb").arg("--version"), "RocksDB's ldb")
}

/// Lines of two hexadecimal words as entries.
fn parsed(listing: &str, separator: &str) -> Entries {
    let bytes = |digits: &str| {
        let digits = digits.trim_start_matches("0x");
        let byte = |i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(byte).collect::<Vec<u8>>()
    };
    let entry = |line: &str| {
        let (key, value) = line.split_once(separator).unwrap();
        (bytes(key), bytes(value))
    };
    listing.lines().map(entry).collect()
}

fn read(path: &Path) -> Entries {
    let database = Database::open(path).unwrap();
    database.verify(&mut |_, _| {}).unwrap();
    let listed: Entries = database.visible().map(|entry| entry.unwrap()).collect();
    for (key, value) in &listed {
        assert_eq!(database.get(key).unwrap().as_ref(), Some(value), "{}", hex(key));
    }
    listed
}

const LIST: &str = "
import plyvel, sys
db = plyvel.DB(sys.argv[1], create_if_missing=False, paranoid_checks=True, bloom_filter_bits=10)
entries = list(db.iterator(verify_checksums=True))
assert entries == list(db.iterator(reverse=True, verify_checksums=True))[::-1]
for key, value in entries:
    assert db.get(key) == value, key
    print(key.hex(), value.hex())
db.put(b'new', b'entry')
db.delete(entries[0][0])
db.compact_range()
assert len(list(db)) == len(entries)
db.close()
";

#[test]
fn leveldb_reads_what_is_written_and_goes_on_with_it() {
    let Some(python) = python() else { return };
    let entries = odd_entries();
    for (compression, bits) in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(compression, bits);
        let mut writer = LevelDbWriter::create(folder.path(), settings).unwrap();
        entries.iter().for_each(|(key, value)| writer.put(key, value).unwrap());
        writer.finish().unwrap();
        let mut list = Command::new(python.get_program());
        let listing = printed(list.args(["-c", LIST]).arg(folder.path()));
        assert!(parsed(&listing, " ") == entries, "LevelDB lists what was written");
        let mut changed = entries.clone();
        changed.pop_first();
        changed.insert(b"new".to_vec(), b"entry".to_vec());
        assert!(read(folder.path()) == changed, "and we read what it makes of it");
    }
}

#[test]
fn rocksdb_reads_what_is_written() {
    if !has_rocksdb() {
        return;
    }
    let mut entries = odd_entries();
    // Its command prints no empty key.
    entries.pop_first();
    for (compression, bits) in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(compression, bits);
        let mut writer = LevelDbWriter::create(folder.path(), settings).unwrap();
        entries.iter().for_each(|(key, value)| writer.put(key, value).unwrap());
        writer.finish().unwrap();
        let listing = printed(ldb(folder.path()).args(["scan", "--hex"]));
        assert!(parsed(&listing, " : ") == entries);
    }
}

const MAKE: &str = "
import plyvel, random, os, sys
path, seed = sys.argv[1], int(sys.argv[2])
r = random.Random(seed)
compression = [None, 'snappy'][seed % 2]
db = plyvel.DB(path, create_if_missing=True, write_buffer_size=r.choice([16, 64, 4096]) << 10,
    max_file_size=1 << 16, compression=compression, block_size=r.choice([256, 1024, 4096]),
    block_restart_interval=r.choice([1, 3, 16]), bloom_filter_bits=r.choice([0, 10]))
model, held = {}, []
def key():
    return (b'k%05d' % r.randrange(3000)) * r.choice([1, 1, 1, 20])
for step in range(12000):
    what = r.random()
    if what < 0.6:
        k, v = key(), r.randbytes(r.choice([0, 5, 40, 300]))
        db.put(k, v); model[k] = v
    elif what < 0.8:
        k = key()
        db.delete(k); model.pop(k, None)
    elif what < 0.83:
        with db.write_batch() as batch:
            for _ in range(r.randrange(20)):
                k, v = key(), b'batch%d' % step
                batch.put(k, v); model[k] = v
    elif what < 0.8303:
        held.append(db.snapshot())
    elif what < 0.8306:
        db.compact_range()
for k in sorted(model):
    print(k.hex(), model[k].hex())
sys.stdout.flush()
if seed % 3 == 0:
    os._exit(0)
held.clear()
db.close()
";

#[test]
fn what_leveldb_makes_now_is_read() {
    let Some(python) = python() else { return };
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut make = Command::new(python.get_program());
        let listing = printed(make.args(["-c", MAKE]).arg(&path).arg(seed.to_string()));
        assert_eq!(Database::open(&path).unwrap().engine(), Engine::LevelDb);
        assert!(read(&path) == parsed(&listing, " "), "seed {seed}");
    }
}

#[test]
fn what_rocksdb_makes_now_is_read() {
    let bench = || Command::new("db_bench");
    if !has_rocksdb() || !runs(bench().arg("--version"), "RocksDB's db_bench") {
        return;
    }
    let kinds = ["none", "snappy", "lz4", "zlib"];
    for (seed, kind) in kinds.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        printed(bench().args([
            "--benchmarks=fillrandom,overwrite,deleterandom",
            "--num=3000",
            "--deletes=700",
            "--write_buffer_size=65536",
            "--target_file_size_base=65536",
            "--value_size=60",
            &format!("--seed={}", seed + 1),
            &format!("--compression_type={kind}"),
            &format!("--format_version={}", 2 + seed),
            &format!("--db={}", path.display()),
        ]));
        let put = ldb(&path).args(["put", "key-of-ldb", "value"]).output().unwrap();
        assert!(put.status.success());
        printed(ldb(&path).args(["deleterange", "--hex", "0x00", "0x0000000000000300"]));
        let found = read(&path);
        let listing = printed(ldb(&path).args(["scan", "--hex"]));
        assert!(found == parsed(&listing, " : "), "{kind}");
        assert!(found.len() > 1000 && found.contains_key(&b"key-of-ldb"[..]), "{}", found.len());
    }
}
