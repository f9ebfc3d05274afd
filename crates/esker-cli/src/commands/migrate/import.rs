//! `esker import`: a LevelDB or RocksDB database into a new one of esker.
//!
//! The source is read in order, as of one moment, into sorted tables in the directory
//! `NEWDB.import`; the new database takes them by hard links; then every entry of it is compared
//! with the source.
//!
//! # How it goes on after a kill
//! What has been done is told by what is there; no step relies on the memory of the one before.
//! 1. `NEWDB.import/PLAN` names the source and the names and sizes of its files. The same command
//!    goes on only if they are the same; else the source has changed, and it is refused.
//! 2. A table has its name only when it is complete and durable. Reading goes on behind the largest
//!    key of the last one; an unfinished one is removed.
//! 3. Tables are ingested in order, some at a time, each time in one step. The last key of NEWDB
//!    is the largest key of the last table that it has; those behind it are ingested.
//! 4. The comparison begins anew. `NEWDB.import` goes when it has found no difference.

use super::compare::{Comparison, Pair};
use super::refuse_inside;
use super::staging::{Staged, Staging};
use super::with_suffix;
use crate::args::Reading;
use crate::args::migrate::Import;
use crate::database::{advised, is_ours};
use crate::failure::{Failure, Result};
use crate::foreign;
use crate::output::stdout;
use crate::progress::Progress;
use crate::source::{Entries, live};
use crate::style;
use esker::vfs::{OsVfs, Vfs};
use esker::{Compression, Db, Error, Settings, TableFile, WriteSettings};
use esker_foreign::{Comparator, Database, DatabaseRange, Engine};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Bound;
use std::path::Path;
use std::time::{Duration, Instant};

/// Entries between two looks at the clock.
const ENTRIES_PER_TELL: u64 = 1024;
/// Tables that are ingested in one step: each is open meanwhile.
const INGESTED_AT_ONCE: usize = 128;

pub fn run(arguments: &Import) -> Result<()> {
    let target = &arguments.database;
    let staging = with_suffix(target, ".import")?;
    refuse_inside(&arguments.source, target)?;
    if is_ours(&arguments.source) {
        let name = arguments.source.display();
        return Err(Failure::input(format_args!(
            "{name}: is a database of esker already; `esker checkpoint` copies it"
        )));
    }
    let is_empty = |path: &Path| path.read_dir().is_ok_and(|mut names| names.next().is_none());
    if !Staging::is_at(&staging) && target.exists() && !is_empty(target) {
        let name = target.display();
        let left = match staging.exists() {
            true => format!("; {} is left of a finished import and can go", staging.display()),
            false => String::new(),
        };
        return Err(Failure::input(format_args!("{name} is there already{left}")));
    }
    let source = foreign::open(&arguments.source, &arguments.reading)?;
    let plan = plan(arguments, &source)?;
    let mut staging = Staging::open(staging, &plan, arguments.restart)?;
    let mut times = Times { resumed: staging.tables().len(), ..Times::default() };
    let start = Instant::now();
    if let Err(failure) = write(&source, &mut staging, arguments) {
        if staging.tables().is_empty() {
            // There is nothing to go on from; the failure matters more.
            let _ = staging.remove();
        }
        return Err(foreign::advised(failure, &arguments.reading));
    }
    times.written = start.elapsed();
    let start = Instant::now();
    let mut settings = Settings::default();
    settings.compression = arguments.compression.into();
    settings.block_size_bytes = arguments.block_size;
    settings.filter_bits_per_key = arguments.filter_bits;
    let database = Db::open(target, settings).map_err(|e| advised(e, target))?;
    ingest(&database, staging.tables())?;
    times.ingested = start.elapsed();
    let start = Instant::now();
    let found = verify(&source, &database, staging.tables())?;
    times.verified = start.elapsed();
    database.close()?;
    // The name of the database is durable before what it was made of goes.
    OsVfs.sync_directory(target.parent().unwrap_or(Path::new("")))?;
    let tables = (staging.tables().len(), staging.tables().iter().map(|table| table.bytes).sum());
    staging.remove()?;
    report(arguments, &source, &found, tables, &times)
}

/// How long each step took.
#[derive(Default)]
struct Times {
    /// Tables that an interrupted import had written.
    resumed: usize,
    written: Duration,
    ingested: Duration,
    verified: Duration,
}

/// What has been compared.
#[derive(Default)]
struct Found {
    entries: u64,
    key_bytes: u64,
    value_bytes: u64,
}

/// What is imported, as text: equal if nothing has changed.
fn plan(arguments: &Import, source: &Database) -> Result<String> {
    let path = &arguments.source;
    let failed = |e| Failure::input(format_args!("cannot read {}: {e}", path.display()));
    let path = std::fs::canonicalize(path).map_err(failed)?;
    let mut plan = String::from("import into esker, version 1\n");
    let mut line = |name: &str, value: std::fmt::Arguments<'_>| {
        // A string takes all that is written to it.
        let _ = writeln!(plan, "{name}: {value}");
    };
    line("source", format_args!("{}", path.display()));
    line("column family", format_args!("{}", source.column_family()));
    line("order", format_args!("{:?}", source.comparator()));
    let Reading { obfuscation, accept_loss, .. } = &arguments.reading;
    line("obfuscation", format_args!("{obfuscation:?}"));
    line("loss", format_args!("{}", if *accept_loss { "accepted" } else { "refused" }));
    if let Some(manifest) = source.manifest() {
        let (name, last) = (manifest.path.display(), manifest.last_sequence);
        line("manifest", format_args!("{name}, {} bytes, up to {last}", manifest.bytes));
    }
    for log in source.logs() {
        line("log", format_args!("{}, {} bytes", log.path.display(), log.bytes));
    }
    for table in source.tables() {
        line("table", format_args!("{}, {} bytes", table.path.display(), table.bytes));
    }
    Ok(plan)
}

/// Writes what is behind the last key of `staging` into tables there.
fn write(source: &Database, staging: &mut Staging, arguments: &Import) -> Result<()> {
    let mut settings = WriteSettings::default();
    settings.compression = Compression::from(arguments.compression);
    settings.block_size_bytes = arguments.block_size;
    settings.filter_bits_per_key = arguments.filter_bits;
    let name = arguments.source.file_name().unwrap_or_default();
    settings.description = format!("import of {}", name.to_string_lossy());
    let mut progress = Progress::new("importing", true);
    let mut meter = Meter::new(source);
    let mut table: Option<TableFile> = None;
    let mut count = 0;
    let (mut range, is_backward) = behind(source, staging.last_key());
    range.visit(is_backward, |key, value| -> Result<bool> {
        count += 1;
        if count % ENTRIES_PER_TELL == 0 {
            progress.tell(meter.passed(key), meter.total);
        }
        let mut file = match table.take() {
            Some(file) => file,
            None => TableFile::create(staging.next_path(), settings.clone())?,
        };
        file.put(key, value)?;
        match file.written_bytes() < arguments.table_size as u64 {
            true => table = Some(file),
            false => end_table(file, staging)?,
        }
        Ok(true)
    })?;
    table.map_or(Ok(()), |file| end_table(file, staging))
}

/// The entries of `database` behind `after`, and whether they are in the order of their keys' bytes
/// from the end.
fn behind(database: &Database, after: Option<&[u8]>) -> (DatabaseRange, bool) {
    let after = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
    // Raw order is sorted byte by byte.
    match database.comparator() {
        Comparator::Reverse => (database.range(Bound::Unbounded, after), true),
        _ => (database.range(after, Bound::Unbounded), false),
    }
}

/// All entries of `database`, in the order of their keys' bytes.
fn ordered(database: &Database) -> Entries {
    match behind(database, None) {
        (range, true) => live(range.rev()),
        (range, false) => live(range),
    }
}

fn end_table(file: TableFile, staging: &mut Staging) -> Result<()> {
    let path = staging.next_path();
    file.finish()?;
    staging.take(path)
}

/// Tells from a key how much of a source's tables has been read.
struct Meter {
    /// The last key of each table, by bytes, with the table's bytes; the last ones first.
    tables: Vec<(Vec<u8>, u64)>,
    passed: u64,
    total: u64,
}

impl Meter {
    fn new(source: &Database) -> Meter {
        let is_reversed = source.comparator() == Comparator::Reverse;
        let last = |table: esker_foreign::TableInfo| {
            (if is_reversed { table.smallest } else { table.largest }, table.bytes)
        };
        let mut tables: Vec<_> = source.tables().into_iter().map(last).collect();
        tables.sort_by(|a, b| b.0.cmp(&a.0));
        let total = tables.iter().map(|table| table.1).sum();
        Meter { tables, passed: 0, total }
    }

    /// Bytes of the tables that end before `key`.
    fn passed(&mut self, key: &[u8]) -> u64 {
        while let Some((_, bytes)) = self.tables.pop_if(|(last, _)| &last[..] < key) {
            self.passed += bytes;
        }
        self.passed
    }
}

/// Gives `database` the tables that it does not have yet.
fn ingest(database: &Db, tables: &[Staged]) -> Result<()> {
    let last = database.iter().next_back().transpose()?.map(|(key, _)| key);
    let taken = match &last {
        None => 0,
        Some(last) => tables.iter().take_while(|table| table.largest <= *last).count(),
    };
    if last.as_deref() != taken.checked_sub(1).map(|i| &tables[i].largest[..]) {
        let path = database.path().display();
        let message = format_args!(
            "{path}: it holds keys that this import did not bring; remove it, or choose another"
        );
        return Err(Failure::input(message));
    }
    for group in tables[taken..].chunks(INGESTED_AT_ONCE) {
        let paths: Vec<_> = group.iter().map(|table| &table.path).collect();
        database.ingest(&paths)?;
    }
    Ok(())
}

/// Compares every entry of `database` with the source.
fn verify(source: &Database, database: &Db, tables: &[Staged]) -> Result<Found> {
    let total = tables.iter().map(|table| table.entries).sum();
    let mut progress = Progress::new("comparing", false);
    let mut found = Found::default();
    for pair in Comparison::new(ordered(source), live(database.iter())) {
        let (expected, seen, key) = match pair? {
            Pair::Same(entry) => {
                found.entries += 1;
                found.key_bytes += entry.key.len() as u64;
                found.value_bytes += entry.value.len() as u64;
                if found.entries % ENTRIES_PER_TELL == 0 {
                    progress.tell(found.entries, total);
                }
                continue;
            }
            Pair::OnlyA(a) => ("the source's value", "no such key", a.key),
            Pair::OnlyB(b) => ("no such key, as in the source", "a value", b.key),
            Pair::Differs(a, _) => ("the source's value", "another", a.key),
        };
        let found = format!("{seen} under \"{}\"", key.escape_ascii());
        let what = "entry of the new database";
        return Err(Error::corruption(database.path(), 0, what, expected, found).into());
    }
    Ok(found)
}

/// What the new database lacks or has in another way.
fn noticed(source: &Database) -> Vec<String> {
    let mut noticed = source.notices().to_vec();
    let left = source.column_families().iter().filter(|name| *name != source.column_family());
    let left: Vec<&str> = left.map(String::as_str).collect();
    if !left.is_empty() {
        let (all, name) = (left.join(", "), source.column_family());
        noticed.push(format!("column family {name} alone is imported; there are also: {all}"));
    }
    if source.comparator() != Comparator::Bytewise {
        let name = source.comparator_name().unwrap_or("not named");
        noticed.push(format!("the order was {name}; in the new database it is byte by byte"));
    }
    noticed
}

fn report(
    arguments: &Import,
    source: &Database,
    found: &Found,
    (tables, bytes): (usize, u64),
    times: &Times,
) -> Result<()> {
    let mut out = stdout();
    if arguments.json {
        writeln!(out, "{}", report_json(arguments, source, found, (tables, bytes), times))?;
        return Ok(out.flush()?);
    }
    let name = arguments.database.display().to_string();
    let engine = engine(source);
    writeln!(out, "{}: {}", style::heading(&name), style::good("every entry as in the source"))?;
    writeln!(out, "source      {} ({engine})", arguments.source.display())?;
    writeln!(out, "entries     {}", found.entries)?;
    let sum = found.key_bytes + found.value_bytes;
    let (keys, values) = (style::size(found.key_bytes), style::size(found.value_bytes));
    writeln!(out, "bytes       {sum} (keys {keys}, values {values})")?;
    writeln!(out, "tables      {tables}, {bytes} bytes ({})", style::size(bytes))?;
    if times.resumed > 0 {
        writeln!(out, "resumed     behind table {}", times.resumed)?;
    }
    let Times { written, ingested, verified, .. } = times;
    let all = (*written + *ingested + *verified).as_secs_f64();
    let [w, i, v] = [written, ingested, verified].map(Duration::as_secs_f64);
    writeln!(out, "time        {all:.3} s: write {w:.3}, ingest {i:.3}, compare {v:.3}")?;
    for notice in noticed(source) {
        writeln!(out, "noticed     {notice}")?;
    }
    for loss in source.losses() {
        writeln!(out, "lost        {loss}")?;
    }
    Ok(out.flush()?)
}

fn engine(source: &Database) -> &'static str {
    if source.engine() == Engine::RocksDb { "RocksDB" } else { "LevelDB" }
}

fn report_json(
    arguments: &Import,
    source: &Database,
    found: &Found,
    (tables, bytes): (usize, u64),
    times: &Times,
) -> Value {
    let losses: Vec<_> = source.losses().iter().map(ToString::to_string).collect();
    let [write, ingest, compare] =
        [times.written, times.ingested, times.verified].map(|time| time.as_secs_f64());
    json!({
        "database": arguments.database.display().to_string(),
        "source": arguments.source.display().to_string(),
        "engine": engine(source),
        "entries": found.entries,
        "key_bytes": found.key_bytes,
        "value_bytes": found.value_bytes,
        "tables": tables,
        "table_bytes": bytes,
        "resumed_behind_table": times.resumed,
        "write_seconds": write,
        "ingest_seconds": ingest,
        "compare_seconds": compare,
        "notices": noticed(source),
        "losses": losses,
    })
}
