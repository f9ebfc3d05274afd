//! A database of very many tables: found, read, reopened, with few of them open.
//!
//! `ESKER_TABLES` sets another number of tables; a hundred thousand take a minute or so.

use esker::vfs::MemVfs;
use esker::{Db, Settings};
use std::sync::Arc;

/// Entries of 116 bytes in a table of 4 KiB, about.
const ENTRIES_PER_TABLE: u64 = 36;

fn key(n: u64) -> String {
    format!("{:016}", n * 7)
}

#[test]
fn many_tables_are_one_database() {
    let tables: u64 =
        std::env::var("ESKER_TABLES").ok().and_then(|n| n.parse().ok()).unwrap_or(2000);
    let mut settings = Settings::default();
    settings.vfs = Arc::new(MemVfs::default());
    settings.table_size_bytes = 4 << 10;
    settings.compression = esker::Compression::None;
    settings.open_tables_max = 100;
    let entries = tables * ENTRIES_PER_TABLE;
    let db = Db::open("db", settings.clone()).unwrap();
    for n in 0..entries {
        db.put(key(n).as_bytes(), &[b'v'; 100]).unwrap();
    }
    db.compact_range::<&[u8]>(..).unwrap();
    let check = |db: &Db| {
        let stats = db.stats();
        let count: usize = stats.levels.iter().map(|level| level.tables).sum();
        assert!(count as u64 >= tables / 2, "{count} tables");
        assert!(stats.open_tables <= 100, "{} tables are open", stats.open_tables);
        for n in (0..entries).step_by(entries as usize / 1000) {
            assert!(db.has(key(n).as_bytes()).unwrap(), "{n}");
            assert!(!db.has(format!("{}x", key(n)).as_bytes()).unwrap(), "{n}");
        }
    };
    check(&db);
    assert_eq!(db.iter().count() as u64, entries);
    drop(db);
    check(&Db::open("db", settings).unwrap());
}
