//! Puts every record of a tab-separated file into a new database, reads each key back, drops the
//! database, opens it again, reads each key again and compares the scan with the source.
//!
//! ```text
//! cargo run --release --example database -- RECORDS.tsv NEW-DIRECTORY
//! ```

use esker::{Db, Settings};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: database RECORDS.tsv NEW-DIRECTORY".into());
    };
    let text = std::fs::read(input)?;
    let db = Db::open(&directory, Settings::default())?;
    let start = Instant::now();
    let mut records = Records::new();
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let cut = line.iter().position(|&byte| byte == b'\t').unwrap_or(line.len());
        let (key, value) = (&line[..cut], line.get(cut + 1..).unwrap_or_default());
        db.put(key, value)?;
        records.insert(key.to_vec(), value.to_vec());
    }
    println!("{} records put in {:.2?}", records.len(), start.elapsed());
    check(&db, &records)?;
    drop(db);
    let start = Instant::now();
    let db = Db::open(&directory, Settings::default())?;
    println!("opened again in {:.2?}: {:?}", start.elapsed(), db.recovery());
    check(&db, &records)?;
    Ok(())
}

/// Compares every look-up and both scans with `records`.
fn check(db: &Db, records: &Records) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    for (key, value) in records {
        if db.get(key)?.as_deref() != Some(&value[..]) {
            return Err(format!("{}: not what was put", key.escape_ascii()).into());
        }
    }
    println!("{} keys read back in {:.2?}: all as put", records.len(), start.elapsed());
    let mut expected = records.iter();
    for entry in db.iter() {
        let (key, value) = entry?;
        if expected.next() != Some((&key, &value)) {
            return Err(format!("{}: out of place", key.escape_ascii()).into());
        }
    }
    let mut expected = records.iter().rev();
    for entry in db.iter().rev() {
        let (key, value) = entry?;
        if expected.next() != Some((&key, &value)) {
            return Err(format!("{}: out of place going down", key.escape_ascii()).into());
        }
    }
    println!("scans both ways: all as put");
    Ok(())
}
