//! The way from LevelDB and RocksDB to esker and back to them, with databases that they make now.
//!
//! LevelDB is asked through Python's `plyvel` (`ESKER_PYTHON` names a Python that has it), RocksDB
//! through `ldb` and `db_bench`. Where one is missing, the tests say so and pass.

use crate::Place;
use std::process::{Command, Stdio};

fn runs(program: &mut Command, what: &str) -> bool {
    let quiet = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = quiet.status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: {what} is not on this machine");
    }
    is_there
}

/// What `program` prints in the folder; it must succeed.
fn printed(place: &Place, program: &mut Command) -> String {
    let output = program.current_dir(place.path("")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

const MAKE: &str = "
import plyvel, random
r = random.Random(11)
db = plyvel.DB('theirs', create_if_missing=True, write_buffer_size=1 << 16)
for i in range(9000):
    key = b'%06d' % r.randrange(5000)
    if r.random() < 0.8:
        db.put(key, r.randbytes(r.randrange(90)))
    else:
        db.delete(key)
db.close()
";

const LIST: &str = "
import plyvel, sys
db = plyvel.DB(sys.argv[1], create_if_missing=False, paranoid_checks=True, bloom_filter_bits=10)
for key, value in db.iterator(verify_checksums=True):
    assert db.get(key) == value
    print(key.hex(), value.hex())
";

#[test]
fn from_leveldb_and_back() {
    let name = std::env::var_os("ESKER_PYTHON").unwrap_or("python3".into());
    if !runs(Command::new(&name).args(["-c", "import plyvel"]), "Python with plyvel") {
        return;
    }
    let place = Place::new();
    let python = |words: &[&str]| printed(&place, Command::new(&name).arg("-c").args(words));
    python(&[MAKE]);
    place.ok("import theirs ours");
    place.ok("export ours --to leveldb -o back");
    assert!(place.ok("diff theirs back").is_empty());
    let listing = python(&[LIST, "back"]);
    assert!(listing.lines().count() > 3000);
    assert!(listing == python(&[LIST, "theirs"]), "LevelDB lists the same");
}

#[test]
fn from_rocksdb_and_back() {
    let bench = || Command::new("db_bench");
    if !runs(bench().arg("--version"), "RocksDB's db_bench")
        || !runs(Command::new("ldb").arg("--version"), "RocksDB's ldb")
    {
        return;
    }
    let place = Place::new();
    printed(
        &place,
        bench().args(["--benchmarks=fillrandom,deleterandom", "--num=4000", "--deletes=900"]).args(
            ["--db=theirs", "--write_buffer_size=65536", "--compression_type=lz4", "--seed=3"],
        ),
    );
    place.ok("import theirs ours");
    place.ok("export ours --to leveldb -o back");
    assert!(place.ok("diff theirs back").is_empty());
    let scan = |db| printed(&place, Command::new("ldb").args([db, "scan", "--hex"]));
    let listing = scan("--db=back");
    assert!(listing.lines().count() > 1500);
    assert!(listing == scan("--db=theirs"), "RocksDB lists the same");
}
