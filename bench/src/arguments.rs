//! The command line.

use crate::engines::{self, Codec, Result};
use crate::workloads;
use std::path::PathBuf;

pub const USAGE: &str = "\
usage: esker-bench [--engines a,b] [--workloads a,b] [--entries N] [--runs N] ...

  --engines LIST         engines, or `all` (default: all of this build)
  --workloads LIST       workloads or sets, or `all` (default: the set `random`)
  --entries N            entries of the database (default 2000000)
  --value-bytes N        bytes of each value (default 100)
  --runs N               runs, of which the median counts (default 3)
  --compression LIST     none, lz4 or both (default none)
  --reads N              operations of each reading workload (default: half the entries, at most
                         1000000)
  --seconds N            longest time of a workload that need not be complete (default 20)
  --child-seconds N      longest time of one set on one engine (default 1200)
  --cache-mib N          cache (default 512)
  --write-buffer-mib N   write buffer (default 64)
  --directory PATH       where the databases are made (default: the system's temporary directory)
  --out PATH             where results.jsonl and report.html go (default: results)
  --report PATHS         make table and page from earlier result files, and measure nothing
  --list                 show engines and workloads";

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Arguments {
    pub engines: Vec<String>,
    pub workloads: Vec<String>,
    pub entries: u64,
    pub value_bytes: usize,
    pub runs: u32,
    pub codecs: Vec<Codec>,
    pub reads: u64,
    pub seconds: f64,
    pub child_seconds: u64,
    pub cache_mib: usize,
    pub write_buffer_mib: usize,
    pub directory: PathBuf,
    pub out: PathBuf,
    pub report: Vec<PathBuf>,
    pub is_list: bool,
    pub is_help: bool,
    /// The set that this process runs, for a child.
    pub child: Option<String>,
    pub run: u32,
}

impl Arguments {
    /// Reads the words of a command line.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
        let mut a = Arguments {
            engines: engines::KINDS.iter().map(|kind| kind.name.to_string()).collect(),
            workloads: vec!["random".into()],
            entries: 2_000_000,
            value_bytes: 100,
            runs: 3,
            codecs: vec![Codec::None],
            reads: 0,
            seconds: 20.0,
            child_seconds: 1200,
            cache_mib: 512,
            write_buffer_mib: 64,
            directory: std::env::temp_dir().join("esker-bench"),
            out: "results".into(),
            report: Vec::new(),
            is_list: false,
            is_help: false,
            child: None,
            run: 0,
        };
        while let Some(word) = words.next() {
            match &word[..] {
                "--list" => a.is_list = true,
                "--help" | "-h" => a.is_help = true,
                name => {
                    let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
                    a.set(name, &value).map_err(|e| format!("{name} {value}: {e}"))?;
                }
            }
        }
        if a.reads == 0 {
            a.reads = (a.entries / 2).clamp(1, 1_000_000);
        }
        a.engines.iter().try_for_each(|name| engines::kind(name).map(drop))?;
        workloads::chosen(&a.workloads)?;
        Ok(a)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let list = || value.split(',').filter(|s| !s.is_empty()).map(String::from).collect();
        match name {
            "--engines" if value == "all" => {}
            "--engines" => self.engines = list(),
            "--workloads" => self.workloads = list(),
            "--entries" => self.entries = value.parse()?,
            "--value-bytes" => self.value_bytes = value.parse()?,
            "--runs" => self.runs = value.parse()?,
            "--compression" => {
                let codecs = value.split(',').map(|name| match name {
                    "none" => Ok(Codec::None),
                    "lz4" => Ok(Codec::Lz4),
                    _ => Err("not none or lz4"),
                });
                self.codecs = codecs.collect::<std::result::Result<_, _>>()?;
            }
            "--reads" => self.reads = value.parse()?,
            "--seconds" => self.seconds = value.parse()?,
            "--child-seconds" => self.child_seconds = value.parse()?,
            "--cache-mib" => self.cache_mib = value.parse()?,
            "--write-buffer-mib" => self.write_buffer_mib = value.parse()?,
            "--directory" => self.directory = value.into(),
            "--out" => self.out = value.into(),
            "--report" => self.report = value.split(',').map(PathBuf::from).collect(),
            "--child" => self.child = Some(value.into()),
            "--run" => self.run = value.parse()?,
            _ => return Err("no such option; see --help".into()),
        }
        Ok(())
    }

    /// The command line of a child that runs `set` on one engine in one variant.
    pub fn for_child(&self, set: &str, engine: &str, codec: Codec, run: u32) -> Vec<String> {
        let words = [
            ("--child", set.to_string()),
            ("--engines", engine.to_string()),
            ("--workloads", self.workloads.join(",")),
            ("--entries", self.entries.to_string()),
            ("--value-bytes", self.value_bytes.to_string()),
            ("--compression", codec.name().to_string()),
            ("--reads", self.reads.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--cache-mib", self.cache_mib.to_string()),
            ("--write-buffer-mib", self.write_buffer_mib.to_string()),
            ("--directory", self.directory.display().to_string()),
            ("--run", run.to_string()),
        ];
        words.into_iter().flat_map(|(name, value)| [name.to_string(), value]).collect()
    }
}
