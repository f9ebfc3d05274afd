//! The command line: the one definition that help, man page and completions come from.

pub mod database;
pub mod migrate;

use crate::bytes::Bytes;
use clap::{Args, Parser, Subcommand, ValueEnum};
use database::{Checkpoint, Compact, Delete, Destroy, Flush, Load, Put, Repair, Space, Stats};
use esker_foreign::Obfuscation;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Keep databases, and build, read, explain and check sorted tables (SSTables).
///
/// A database is a directory, a table a file; get, has, scan, dump, info, verify, export and diff
/// take either, and those of LevelDB and RocksDB too; space and import take their directories.
/// Nothing in those is changed or locked.
///
/// Keys and values are bytes. On the command line a key is text, or `hex:68692f`, or
/// `base64:aGk=`; `text:` in front takes the rest as it is. What is printed as text is printed as
/// `hex:…` wherever it is not plain, so that nothing is lost.
///
/// Exit status: 0 found or sound, 1 not found, 2 bad input, 3 corrupt.
#[derive(Debug, Parser)]
#[command(name = "esker", version, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    /// When to use colours; NO_COLOR turns them off too.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,

    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set a key of a database to a value, or put many records one by one
    Put(Put),
    /// Delete a key of a database
    Delete(Delete),
    /// Take many records in any order into a database, in one step
    Load(Load),
    /// Make a table from records in any order
    Build(Build),
    /// Print the value of a key
    Get(Get),
    /// Tell by the exit status whether a key is there
    Has(Has),
    /// Print keys and values of a range, in order
    Scan(Scan),
    /// Print all keys and values, in order
    Dump(Dump),
    /// Show what a table or a database is made of
    Info(Info),
    /// Check every byte, every order and every count of a table or a database
    Verify(Verify),
    #[command(flatten)]
    Migrate(migrate::Migrate),
    /// Measure workloads on this machine
    Bench(Bench),
    /// Show a database in numbers
    Stats(Stats),
    /// Show what the bytes of a database are
    Space(Space),
    /// Move what is in the log of a database to tables
    Flush(Flush),
    /// Merge the tables of a database down to the last level
    Compact(Compact),
    /// Copy a database as of now; tables are shared by hard links
    Checkpoint(Checkpoint),
    /// Save what can be read of a damaged database into a new one
    Repair(Repair),
    /// Remove a database
    Destroy(Destroy),
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write one for each command
    Man {
        /// Directory to write the pages to.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Bench {
    /// Workloads, run in their order on one database: fillseq, fillrandom, fillbatch, fillsync,
    /// overwrite, deleterandom, readrandom, readmissing, readhot, seekrandom, readseq,
    /// readreverse, compact, flush, settle, fresh (begin anew), reopen [default: a good mix].
    pub workloads: Vec<String>,

    /// Number of entries that a fill writes.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1_000_000)]
    pub entries: u64,

    /// Number of reads [default: as many as entries].
    #[arg(long, value_name = "N")]
    pub reads: Option<u64>,

    /// Bytes of a value, at most 512 KiB.
    #[arg(long, value_name = "BYTES", default_value = "100", value_parser = parse_value_size)]
    pub value_bytes: usize,

    /// How blocks are compressed.
    #[arg(long, value_enum, default_value_t = Codec::Lz4)]
    pub compression: Codec,

    /// Memory that the database may use.
    #[arg(long, value_name = "BYTES", default_value = "512MiB", value_parser = parse_size)]
    pub memory: usize,

    /// Threads of fillsync.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,

    /// Threads for compaction; 0 for none in the background [default: the processors, at most 4].
    #[arg(long, value_name = "N")]
    pub background: Option<usize>,

    /// Directory of the database, which stays [default: a temporary one, which goes].
    #[arg(long)]
    pub dir: Option<PathBuf>,

    /// Print the database's own figures at the end.
    #[arg(long)]
    pub stats: bool,
}

#[derive(Debug, Args)]
pub struct Build {
    /// File of records; `-` for standard input.
    #[arg(default_value = "-")]
    pub input: PathBuf,

    /// The table to make [default: the input's name with .sstable; table.sstable for standard
    /// input].
    #[arg(short, long)]
    pub output: Option<PathBuf>,

    #[command(flatten)]
    pub formats: Formats,

    #[command(flatten)]
    pub sorting: Sorting,

    /// What the table says of its origin [default: the input's name].
    #[arg(long)]
    pub description: Option<String>,

    /// Replace the output if it is there.
    #[arg(long)]
    pub force: bool,
}

/// How records are read.
#[derive(Debug, Args)]
pub struct Formats {
    /// What stands between key and value: its first occurrence in a record counts.
    #[arg(short, long, default_value = ",", value_parser = parse_delimiter,
          conflicts_with_all = ["csv", "tsv", "jsonl"])]
    pub delimiter: Bytes,

    /// What ends a record. With `newline`, input ends at the end of the file or at a NUL byte.
    #[arg(long, value_enum, default_value_t = Terminator::Newline)]
    pub records: Terminator,

    /// Records are comma-separated with quotes (RFC 4180); the value is the other columns.
    #[arg(long, conflicts_with_all = ["tsv", "jsonl"])]
    pub csv: bool,

    /// Records are tab-separated without quotes; the value is the other columns.
    #[arg(long, conflicts_with = "jsonl")]
    pub tsv: bool,

    /// Records are JSON objects, one a line; the key is this field, the value the whole line.
    #[arg(long, value_name = "KEYFIELD")]
    pub jsonl: Option<String>,

    /// Column of the key for --csv and --tsv, from 1.
    #[arg(long, value_name = "N", default_value = "1")]
    pub key_column: NonZeroUsize,

    /// Leave out the first record (column names).
    #[arg(long)]
    pub header: bool,

    /// Decode the hex: and base64: forms that dump prints.
    #[arg(long)]
    pub decode: bool,
}

/// How records are sorted into tables.
#[derive(Debug, Args)]
pub struct Sorting {
    /// Memory for sorting; more input is spilled to disk in sorted runs.
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = parse_size)]
    pub memory: usize,

    /// Refuse a key that comes twice; without this the last one wins.
    #[arg(long)]
    pub strict: bool,

    /// How blocks are compressed.
    #[arg(long, value_enum, default_value_t = Codec::Lz4)]
    pub compression: Codec,

    /// Bytes of keys and values at which a block is closed.
    #[arg(long, value_name = "BYTES", default_value = "8KiB", value_parser = parse_size)]
    pub block_size: usize,

    /// Filter bits for each key; 0 for no filter.
    #[arg(long, value_name = "BITS", default_value_t = 10)]
    pub filter_bits: u32,
}

/// What a write survives once it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// The course of the program alone.
    None,
    /// The end of the process, however sudden.
    Process,
    /// A power cut.
    Power,
}

/// What ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Terminator {
    /// A line feed.
    Newline,
    /// A NUL byte.
    Nul,
}

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// Not at all.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl From<Codec> for esker::Compression {
    fn from(codec: Codec) -> esker::Compression {
        match codec {
            Codec::None => esker::Compression::None,
            Codec::Lz4 => esker::Compression::Lz4,
            #[cfg(feature = "zstd")]
            Codec::Zstd => esker::Compression::Zstd,
        }
    }
}

/// How keys and values are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As they are where they are plain text, else as hex:…
    Text,
    /// One JSON object a line; `key_hex` and `value_hex` for what is not UTF-8.
    Json,
    /// In hexadecimal digits.
    Hex,
}

#[derive(Debug, Args)]
pub struct Get {
    /// The table, or the directory of a database.
    pub file: PathBuf,
    /// The key: text, hex:… or base64:…
    pub key: Bytes,
    /// How the value is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Write the value's bytes as they are, with no line feed after them.
    #[arg(long, conflicts_with = "format")]
    pub raw: bool,
    /// Tell which parts of the table or layers of the database were asked, what each said, and how
    /// long it took.
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct Has {
    /// The table, or the directory of a database.
    pub file: PathBuf,
    /// The key: text, hex:… or base64:…
    pub key: Bytes,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct Scan {
    /// The table, or the directory of a database.
    pub file: PathBuf,
    /// First key.
    #[arg(long, value_name = "KEY")]
    pub start: Option<Bytes>,
    /// Key to end before.
    #[arg(long, value_name = "KEY")]
    pub end: Option<Bytes>,
    /// Only keys that begin with this.
    #[arg(long, conflicts_with_all = ["start", "end"])]
    pub prefix: Option<Bytes>,
    /// From the last key to the first.
    #[arg(long)]
    pub reverse: bool,
    /// Most entries to print.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print no values.
    #[arg(long)]
    pub keys_only: bool,
    #[command(flatten)]
    pub printing: Printing,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct Dump {
    /// The table, or the directory of a database.
    pub file: PathBuf,
    #[command(flatten)]
    pub printing: Printing,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct Printing {
    /// How keys and values are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// What is printed between key and value, in any form that build takes; a key that has it is
    /// printed as hex:… A key that it would hide in any form is an error.
    #[arg(short, long, default_value = ",", value_parser = parse_delimiter)]
    pub delimiter: Bytes,
    /// Show every version in a table with sequence number and kind, tombstones too.
    #[arg(long)]
    pub versions: bool,
}

#[derive(Debug, Args)]
pub struct Reading {
    /// Map the file into memory instead of reading it at positions.
    #[arg(long)]
    pub map: bool,
    /// Order of the keys of a LevelDB or RocksDB table or database: `bytewise`, `reverse`, or `raw`
    /// for the order in the file, and byte by byte for a database [default: what it names, else
    /// bytewise].
    #[arg(long, value_name = "ORDER")]
    pub comparator: Option<String>,
    /// Column family of a RocksDB database [default: the one named `default`].
    #[arg(long, value_name = "NAME")]
    pub column_family: Option<String>,
    /// Mask over the values of a LevelDB or RocksDB table or database, as Bitcoin Core's have:
    /// `stored` for the one that a LevelDB database itself holds, `none`, or its hexadecimal
    /// digits.
    #[arg(long, value_name = "MASK", default_value = "stored")]
    pub obfuscation: Obfuscation,
    /// Leave out what is damaged in a LevelDB or RocksDB table or database, and tell what; without
    /// this, damage is an error. What was there is missing then, and older values and deleted keys
    /// may show in its place.
    #[arg(long)]
    pub accept_loss: bool,
}

#[derive(Debug, Args)]
pub struct Info {
    /// The table, or the directory of a database.
    pub file: PathBuf,
    /// List every block, or every table of a database, not only the first and last.
    #[arg(long)]
    pub blocks: bool,
    /// Print one JSON object, for programs.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// The table, or the directory of a database.
    pub file: PathBuf,
    /// Print one JSON object, for programs.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub reading: Reading,
}

/// Reads what stands between key and value: at least one byte, in any form of bytes.
fn parse_delimiter(text: &str) -> Result<Bytes, String> {
    let delimiter: Bytes = text.parse()?;
    if delimiter.0.is_empty() { Err("the delimiter is empty".into()) } else { Ok(delimiter) }
}

/// Reads a number of bytes for a value of a benchmark.
fn parse_value_size(text: &str) -> Result<usize, String> {
    let bytes = parse_size(text)?;
    if bytes <= 512 << 10 { Ok(bytes) } else { Err("at most 512KiB".into()) }
}

/// Reads a number of bytes: `4096`, `64KiB`, `1GB`.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: usize = number.parse().map_err(|_| format!("{text}: no number of bytes"))?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(format!("{unit}: no unit of bytes; KiB, MiB, GiB, kB, MB and GB are")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("{text}: too many bytes"))
}
