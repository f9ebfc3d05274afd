//! One process: the workloads of one set on one engine. Results go to the output, a line each.

use crate::arguments::Arguments;
use crate::data::Values;
use crate::engines::{self, NotOffered, Result, Setup};
use crate::measure::Outcome;
use crate::process;
use crate::record::Record;
use crate::sampler::Sampler;
use crate::workloads::{self, Context};
use std::time::{Duration, Instant};

/// Runs the set that the arguments name.
pub fn run(arguments: &Arguments, set: &str) -> Result<()> {
    let mut context = open(arguments, set)?;
    if set == workloads::VICTIM {
        return workloads::load_and_wait(&mut context);
    }
    let asked = workloads::chosen(&arguments.workloads)?;
    let mut failed: Vec<&str> = Vec::new();
    let sampler = Sampler::start();
    for step in workloads::steps(set, &asked) {
        let is_asked = asked.iter().any(|w| w.name == step.name);
        if step.needs.iter().any(|need| failed.contains(need)) {
            failed.push(step.name);
            continue;
        }
        process::reset_peak();
        let before = sampler.take().pop();
        let written = process::written_bytes();
        let outcomes = (step.run)(&mut context);
        let settling = Instant::now();
        if let Some(engine) = &context.engine {
            engine.settle()?;
        }
        let blank = Record {
            engine: arguments.engines[0].clone(),
            compression: arguments.codecs[0].name().into(),
            workload: step.name.into(),
            run: arguments.run,
            entries: arguments.entries,
            value_bytes: arguments.value_bytes,
            settle_seconds: settling.elapsed().as_secs_f64(),
            written_bytes: process::written_bytes() - written,
            disk_bytes: process::disk_bytes(&context.setup.directory),
            peak_bytes: process::peak_bytes(),
            anonymous_bytes: process::anonymous_bytes(),
            load_average: load_average(),
            ..Record::default()
        };
        let records = match outcomes {
            Ok(outcomes) => {
                let record = |outcome| filled(&blank, outcome, context.is_cut);
                let mut records: Vec<_> = outcomes.iter().map(record).collect();
                if let Some(first) = records.first_mut() {
                    first.memory = before.into_iter().chain(sampler.take()).collect();
                }
                records
            }
            Err(error) => {
                let is_lacking = error.is::<NotOffered>();
                // What needs no compaction is read as it is: it is a peer of what does.
                if !(is_lacking && step.name == "compact") {
                    failed.push(step.name);
                }
                let failure = Some(error.to_string());
                if is_lacking { Vec::new() } else { vec![Record { failure, ..blank }] }
            }
        };
        for record in records.iter().filter(|r| is_asked || r.failure.is_some()) {
            println!("{}", serde_json::to_string(record)?);
        }
    }
    // Closing is not measured here, and some engines take long over it.
    drop(context);
    Ok(())
}

fn open(arguments: &Arguments, set: &str) -> Result<Context> {
    let kind = engines::kind(&arguments.engines[0])?;
    let entry_bytes = (arguments.value_bytes + crate::data::KEY_BYTES) as u64;
    let setup = Setup {
        directory: arguments.directory.join("database"),
        codec: arguments.codecs[0],
        cache_bytes: arguments.cache_mib << 20,
        write_buffer_bytes: arguments.write_buffer_mib << 20,
        is_durable: set == "sync",
        data_bytes: arguments.entries.max(1_000_000) * entry_bytes,
    };
    std::fs::create_dir_all(&setup.directory)?;
    Ok(Context {
        kind,
        engine: Some((kind.open)(&setup)?),
        setup,
        values: Values::new(arguments.value_bytes),
        entries: arguments.entries,
        reads: arguments.reads,
        limit: Duration::from_secs_f64(arguments.seconds),
        is_cut: false,
        is_ordered: matches!(set, "sequential" | "bulk"),
    })
}

fn filled(blank: &Record, outcome: &Outcome, is_cut: bool) -> Record {
    Record {
        workload: outcome.name.into(),
        operations: outcome.operations,
        seconds: outcome.elapsed.as_secs_f64(),
        processor_seconds: outcome.processor_time.as_secs_f64(),
        p50_ns: outcome.latencies.percentile(0.5),
        p99_ns: outcome.latencies.percentile(0.99),
        p999_ns: outcome.latencies.percentile(0.999),
        read_bytes: outcome.read_bytes,
        sum: if is_cut { 0 } else { outcome.sum.0 },
        found: outcome.found,
        ..blank.clone()
    }
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
