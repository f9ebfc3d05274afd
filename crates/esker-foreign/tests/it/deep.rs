//! A database of LevelDB with tables on five levels, made by LevelDB itself.

use crate::peers::{printed, python};
use esker_foreign::Database;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// A level takes ten times what the one above it takes, from ten megabytes on, and no setting
/// changes that: level 4 has tables after a gigabyte. Values of a megabyte, which are not
/// compressed and easily told apart, make that a matter of seconds. Keys written in order go down
/// without a merge; those that are changed or deleted later lie above them.
const MAKE: &str = "
import plyvel, random, sys, time
r = random.Random(7)
model = {}
def opened(write_buffer_size):
    return plyvel.DB(sys.argv[1], create_if_missing=True, compression=None,
        write_buffer_size=write_buffer_size, max_file_size=1 << 20)
def count(level):
    return int(db.get_property(b'leveldb.num-files-at-level%d' % level))
def settle():
    before = None
    while before != (before := db.get_property(b'leveldb.stats')):
        time.sleep(0.3)
def change(count, value_bytes):
    for step in range(count):
        k = b'k%05d' % r.randrange(1300)
        if r.random() < 0.7:
            v = (b'new%05d' % step) * (value_bytes // 8)
            db.put(k, v); model[k] = v.hex()
        else:
            db.delete(k); model.pop(k, None)
db = opened(48 << 20)
for n in range(1200):
    k = b'k%05d' % n
    db.put(k, (b'%08d' % n) * (1 << 17)); model[k] = 'large'
db.close()
db = opened(1 << 16)
change(2000, 400)
settle()
# What stands in the log when it is opened becomes a table of level 0.
while not count(0):
    change(50, 40)
    db.close()
    db = opened(1 << 20)
    settle()
change(50, 40)
db.close()
for k in sorted(model):
    print(k.decode(), model[k])
";

/// What the value of `key` should be, by its name in the listing.
fn expected(key: &str, value: &str) -> Vec<u8> {
    match value {
        "large" => format!("{:0>8}", &key[1..]).repeat(1 << 17).into_bytes(),
        digits => {
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            (0..digits.len()).step_by(2).map(byte).collect()
        }
    }
}

#[test]
fn five_levels_that_leveldb_makes_now_are_read() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut make = Command::new(python.get_program());
    let listing = printed(make.args(["-c", MAKE]).arg(&path));
    let listed: BTreeMap<_, _> = listing.lines().map(|l| l.split_once(' ').unwrap()).collect();

    let database = Database::open(&path).unwrap();
    let levels: BTreeSet<usize> = database.tables().iter().map(|table| table.level).collect();
    assert_eq!(levels.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(database.logs().iter().any(|log| log.entries > 0), "and something in a log");
    database.verify(&mut |_, _| {}).unwrap();
    let large = listed.values().filter(|value| **value == "large").count();
    assert!(large > 100 && large < listed.len(), "{large} of {} as first written", listed.len());

    let check = |(key, value): (Vec<u8>, Vec<u8>), (name, expected_value): (&&str, &&str)| {
        assert_eq!(key, name.as_bytes());
        assert!(value == expected(name, expected_value), "{name}");
    };
    let mut entries = database.visible();
    listed.iter().for_each(|expected| check(entries.next().unwrap().unwrap(), expected));
    assert!(entries.next().is_none());
    let mut entries = database.visible().rev();
    listed.iter().rev().for_each(|expected| check(entries.next().unwrap().unwrap(), expected));
    assert!(entries.next().is_none());
    for number in (0..1300).step_by(7) {
        let key = format!("k{number:05}");
        let value = listed.get(&key[..]).map(|value| expected(&key, value));
        assert!(database.get(key.as_bytes()).unwrap() == value, "{key}");
    }
}
