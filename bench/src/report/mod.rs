//! Makes a table and a page of what was measured.

mod memory;
mod page;
mod summary;
mod table;

use crate::arguments::Arguments;
use crate::engines::Result;
use crate::record::Record;
use summary::Summary;

/// Says what was just measured.
pub fn progress(record: &Record) {
    match &record.failure {
        Some(failure) => eprintln!("  {:22} FAILED: {failure}", record.workload),
        None => eprintln!(
            "  {:22} {:>9}/s  p50 {:>8}  p99.9 {:>8}  settled in {:.1} s, load {:.1}",
            record.workload,
            table::count(record.rate()),
            table::time(record.p50_ns as f64),
            table::time(record.p999_ns as f64),
            record.settle_seconds,
            record.load_average,
        ),
    }
}

/// Prints the tables and writes the page.
pub fn write(arguments: &Arguments, records: &[Record]) -> Result<()> {
    let summary = Summary::new(records);
    print!("{}", table::text(&summary));
    let path = arguments.out.join("report.html");
    std::fs::write(&path, page::html(&summary))?;
    println!("\n{}", path.display());
    Ok(())
}

/// The same from files of earlier results.
pub fn again(arguments: &Arguments) -> Result<()> {
    let mut records = Vec::new();
    for path in &arguments.report {
        for line in std::fs::read_to_string(path)?.lines() {
            records.push(serde_json::from_str(line)?);
        }
    }
    std::fs::create_dir_all(&arguments.out)?;
    write(arguments, &records)
}
