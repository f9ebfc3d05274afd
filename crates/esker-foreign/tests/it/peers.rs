//! LevelDB and RocksDB themselves, where this machine has them: what they make is read, what is
//! written they read.
//!
//! LevelDB is asked through Python's `plyvel` (`pip install plyvel`; `ESKER_PYTHON` names a Python
//! that has it), RocksDB through `ldb` and `db_bench` (Debian's `rocksdb-tools`). Where one is
//! missing, the tests say so and pass.

use crate::fixtures::hex;
use crate::written::{Entries, KINDS, odd_entries, settings};
use esker_foreign::{Database, DatabaseSettings, Engine, LevelDbWriter};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs `program` and gives what it prints; it must succeed.
pub(crate) fn printed(program: &mut Command) -> String {
    let output = program.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn runs(program: &mut Command, what: &str) -> bool {
    let quiet = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = quiet.status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: {what} is not on this machine");
    }
    is_there
}

/// A Python that has LevelDB.
pub(crate) fn python() -> Option<Command> {
    python_with("plyvel")
}

/// A Python that has this module.
fn python_with(module: &str) -> Option<Command> {
    let name = std::env::var_os("ESKER_PYTHON").unwrap_or("python3".into());
    let import = format!("import {module}");
    let what = format!("Python with {module}");
    let is_there = runs(Command::new(&name).args(["-c", &import]), &what);
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
    all(&Database::open(path).unwrap())
}

/// Everything in `database`, found sound and found again key by key.
fn all(database: &Database) -> Entries {
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

/// Five column families, reopened twice, with range deletions, logs that are used again, and levels
/// that are small so that they are many.
const MAKE_ROCKS: &str = "
import random, sys
from rocksdict import Rdict, Options, DBCompressionType
path, seed = sys.argv[1], int(sys.argv[2])
r = random.Random(seed)
def options():
    o = Options(raw_mode=True)
    o.create_if_missing(True)
    o.create_missing_column_families(True)
    o.set_write_buffer_size(1 << 14)
    o.set_target_file_size_base(1 << 13)
    o.set_max_bytes_for_level_base(1 << 15)
    o.set_max_bytes_for_level_multiplier(2.0)
    o.set_level_zero_file_num_compaction_trigger(2)
    o.set_recycle_log_file_num(seed % 3)
    kinds = [DBCompressionType.none(), DBCompressionType.snappy(), DBCompressionType.lz4()]
    o.set_compression_type(kinds[seed % 3])
    return o
names = ['default', 'one', 'two', 'three', 'four']
models = {name: {} for name in names}
for opening in range(3):
    db = Rdict(path, options(), column_families={name: options() for name in names})
    families = {name: db if name == 'default' else db.get_column_family(name) for name in names}
    for step in range(5000):
        name = r.choice(names)
        family, model = families[name], models[name]
        k = b'k%05d' % r.randrange(4000)
        what = r.random()
        if what < 0.75:
            v = r.randbytes(r.choice([0, 7, 60, 200]))
            family.put(k, v); model[k] = v
        elif what < 0.95:
            family.delete(k); model.pop(k, None)
        elif what < 0.951:
            low, high = sorted([k, b'k%05d' % r.randrange(4000)])
            high = min(high, b'k%05d' % (int(low[1:]) + 300))
            if low < high:
                family.delete_range(low, high)
                for gone in [key for key in model if low <= key < high]:
                    del model[gone]
        elif what < 0.96:
            family.flush()
    for name, family in list(families.items())[1:]:
        family.close()
    db.close()
for name in names:
    for k in sorted(models[name]):
        print(name, k.hex(), models[name][k].hex())
";

#[test]
fn column_families_and_deep_levels_that_rocksdb_makes_now_are_read() {
    let Some(python) = python_with("rocksdict") else { return };
    let mut deepest = 0;
    for seed in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut make = Command::new(python.get_program());
        let listing = printed(make.args(["-c", MAKE_ROCKS]).arg(&path).arg(seed.to_string()));
        for name in ["default", "one", "two", "three", "four"] {
            let of_family = |line: &str| line.strip_prefix(&format!("{name} ")).map(String::from);
            let expected: Vec<String> = listing.lines().filter_map(of_family).collect();
            let mut settings = DatabaseSettings::default();
            settings.column_family = Some(name.into());
            let database = Database::open_with(&path, &settings).unwrap();
            assert_eq!(database.column_families().len(), 5);
            assert!(all(&database) == parsed(&expected.join("\n"), " "), "seed {seed}, {name}");
            let levels: BTreeSet<usize> = database.tables().iter().map(|t| t.level).collect();
            deepest = deepest.max(levels.last().copied().unwrap_or(0));
        }
    }
    assert!(deepest >= 5, "level {deepest} at most");
}

/// Tables of four kilobytes: LevelDB makes none so small.
const MAKE_MANY_ROCKS: &str = "
import random, sys
from rocksdict import Rdict, Options
r = random.Random(3)
o = Options(raw_mode=True)
o.create_if_missing(True)
o.set_write_buffer_size(1 << 16)
o.set_target_file_size_base(1 << 12)
o.set_disable_auto_compactions(False)
db = Rdict(sys.argv[1], o)
model = {}
for step in range(60000):
    k = b'k%06d' % r.randrange(50000)
    if r.random() < 0.8:
        model[k] = v = r.randbytes(200)
        db.put(k, v)
    else:
        db.delete(k); model.pop(k, None)
db.flush()
db.compact_range(None, None)
db.close()
for k in sorted(model):
    print(k.hex(), model[k].hex())
";

#[test]
fn more_tables_than_are_held_open_are_read() {
    let Some(python) = python_with("rocksdict") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut make = Command::new(python.get_program());
    let listing = printed(make.args(["-c", MAKE_MANY_ROCKS]).arg(&path));
    let database = Database::open(&path).unwrap();
    assert!(database.tables().len() > 512, "{} tables", database.tables().len());
    assert!(all(&database) == parsed(&listing, " "));
}

/// npm's LevelDB, where `ESKER_CLASSIC_LEVEL` names a folder in which `classic-level` is installed.
const MAKE_CLASSIC: &str = "
const { ClassicLevel } = require('classic-level')
const main = async () => {
  const db = new ClassicLevel(process.argv[1], { keyEncoding: 'buffer', valueEncoding: 'buffer',
    writeBufferSize: 1 << 16, maxFileSize: 1 << 20, compression: true })
  let seed = 42
  const next = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n }
  const model = new Map()
  for (let step = 0; step < 400; step++) {
    const batch = []
    for (let i = 0; i < 30; i++) {
      const key = 'key' + String(next(6000)).padStart(6, '0')
      if (next(4) === 0) { batch.push({ type: 'del', key: Buffer.from(key) }); model.delete(key) }
      else {
        const value = 'value' + step + '-'.repeat(next(90))
        batch.push({ type: 'put', key: Buffer.from(key), value: Buffer.from(value) })
        model.set(key, value)
      }
    }
    await db.batch(batch)
    if (step % 150 === 149) { await db.close(); await db.open() }
  }
  await db.close()
  const hex = (text) => Buffer.from(text).toString('hex')
  for (const key of [...model.keys()].sort()) console.log(hex(key) + ' ' + hex(model.get(key)))
}
main()
";

#[test]
fn what_classic_level_makes_now_is_read() {
    let place = std::env::var_os("ESKER_CLASSIC_LEVEL").map(PathBuf::from);
    let Some(place) = place.filter(|place| place.join("node_modules/classic-level").is_dir())
    else {
        eprintln!("SKIPPED: ESKER_CLASSIC_LEVEL names no folder with npm's classic-level");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut make = Command::new("node");
    let listing = printed(make.args(["-e", MAKE_CLASSIC]).arg(&path).current_dir(place));
    assert!(read(&path) == parsed(&listing, " "));
}
