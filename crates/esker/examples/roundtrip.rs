//! Builds a table from a tab-separated file, reads every key back and compares with the source:
//! `cargo run --release --example roundtrip -- FILE`. Leaves the table beside the temporary files.

use esker::{ReadSettings, SorterSettings, Table, TableSorter};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: roundtrip FILE")?;
    let text = std::fs::read(&path)?;
    let records: Vec<(&[u8], &[u8])> = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let at = line.iter().position(|&byte| byte == b'\t').unwrap_or(line.len());
            (&line[..at], line.get(at + 1..).unwrap_or_default())
        })
        .collect();
    let table_path = std::env::temp_dir().join("esker-roundtrip.sstable");

    let start = Instant::now();
    let mut sorter = TableSorter::new(&table_path, SorterSettings::default())?;
    for (key, value) in &records {
        sorter.put(key, value)?;
    }
    let summary = sorter.finish(&mut |_, _| {})?;
    let rate = text.len() as f64 / 1e6 / start.elapsed().as_secs_f64();
    println!("built {} entries, {rate:.0} MB/s", summary.table.properties.entries);

    let model: BTreeMap<&[u8], &[u8]> = records.iter().copied().collect();
    for mapped in [false, true] {
        let mut settings = ReadSettings::default();
        settings.mapped = mapped;
        let table = Table::open_with(&table_path, &settings)?;
        let start = Instant::now();
        for (key, _) in &records {
            if table.get(key)?.as_deref() != model.get(key).copied() {
                return Err(format!("{} differs", key.escape_ascii()).into());
            }
        }
        let each = start.elapsed().as_nanos() as f64 / records.len() as f64;
        println!("mapped {mapped}: every key is right, {each:.0} ns each");
        let start = Instant::now();
        let mut expected = model.iter();
        for entry in table.iter() {
            let (key, value) = entry?;
            if expected.next() != Some((&&key[..], &&value[..])) {
                return Err(format!("{} is out of place", key.escape_ascii()).into());
            }
        }
        if expected.next().is_some() {
            return Err("entries are missing".into());
        }
        println!("mapped {mapped}: the scan is right, {:.3} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}
