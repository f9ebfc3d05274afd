//! Workloads that read.

use super::Context;
use crate::data::{Key, Random, Sum, Zipf};
use crate::engines::{Reader, Result, Start, Visit};
use crate::measure::Outcome;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Keys of a call of `multiget`.
const TOGETHER: usize = 100;

/// Entries of a call of `seekrandom`: that of the seek and ten more.
const SEEK_ENTRIES: u64 = 11;

/// Reads everything, forward.
pub fn all(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    whole(context, name, Start::First)
}

/// Reads what deletes have left.
pub fn left(context: &mut Context) -> Result<Vec<Outcome>> {
    let mut outcomes = all(context, "readseq_after_delete")?;
    // How far an engine came in writing beside reads is its own affair, so the values differ.
    outcomes.iter_mut().for_each(|outcome| outcome.sum = Sum::default());
    Ok(outcomes)
}

/// Reads everything, backward.
pub fn reverse(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    whole(context, name, Start::Last)
}

fn whole(context: &mut Context, name: &'static str, start: Start<'_>) -> Result<Vec<Outcome>> {
    let mut reader = context.engine()?.reader()?;
    let outcome = Outcome::once(name, |sum| {
        let mut visit = Visit::new(u64::MAX, b"");
        reader.scan(start, &mut visit)?;
        *sum = visit.sum;
        Ok(visit.entries)
    })?;
    Ok(vec![outcome])
}

fn gets(context: &Context, name: &'static str, keys: &[Key]) -> Result<Vec<Outcome>> {
    let mut reader = context.engine()?.reader()?;
    let outcome =
        Outcome::repeat(name, keys.len() as u64, Some(context.limit), |at, sum: &mut Sum| {
            Ok(u64::from(reader.get(&keys[at as usize], sum)?))
        })?;
    Ok(vec![outcome])
}

/// Gets keys drawn evenly.
pub fn random(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let keys = context.random_keys(context.reads, 21);
    let outcomes = gets(context, name, &keys)?;
    must_find(&outcomes[0])?;
    Ok(outcomes)
}

/// Gets keys drawn by Zipf's law.
pub fn zipf(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let zipf = Zipf::new(context.entries);
    let mut random = Random::new(22);
    let keys: Vec<_> = (0..context.reads).map(|_| context.key(zipf.rank(&mut random))).collect();
    let outcomes = gets(context, name, &keys)?;
    must_find(&outcomes[0])?;
    Ok(outcomes)
}

/// Gets keys that are not there, but lie among those that are.
pub fn missing(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let keys: Vec<_> = (0..context.reads).map(|at| context.key(context.entries + at)).collect();
    let outcomes = gets(context, name, &keys)?;
    if outcomes[0].found > 1 {
        return Err(format!("found {} keys that were never put", outcomes[0].found).into());
    }
    Ok(outcomes)
}

fn must_find(outcome: &Outcome) -> Result<()> {
    if outcome.found == outcome.operations {
        return Ok(());
    }
    Err(format!("found {} of {} keys", outcome.found, outcome.operations).into())
}

/// Gets many keys a call.
pub fn multi(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let keys = context.random_keys(context.reads.next_multiple_of(TOGETHER as u64), 23);
    let mut reader = context.engine()?.reader()?;
    let calls: Vec<_> = keys.chunks(TOGETHER).collect();
    let mut outcome = Outcome::repeat(name, calls.len() as u64, Some(context.limit), |at, sum| {
        reader.multi_get(calls[at as usize], sum)
    })?;
    outcome.operations *= TOGETHER as u64;
    must_find(&outcome)?;
    Ok(vec![outcome])
}

fn scan(
    reader: &mut dyn Reader,
    start: Start<'_>,
    limit: u64,
    prefix: &[u8],
    sum: &mut Sum,
) -> Result<u64> {
    let mut visit = Visit::new(limit, prefix);
    reader.scan(start, &mut visit)?;
    sum.0 = sum.0.wrapping_add(visit.sum.0);
    Ok(visit.entries)
}

/// Seeks and reads a few.
pub fn seek(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let keys = context.random_keys(context.reads, 24);
    let mut reader = context.engine()?.reader()?;
    let outcome = Outcome::repeat(name, context.reads, Some(context.limit), |at, sum| {
        scan(&mut *reader, Start::At(&keys[at as usize]), SEEK_ENTRIES, b"", sum)
    })?;
    Ok(vec![outcome])
}

/// Reads all keys of a prefix that has ten to a hundred.
pub fn prefix(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let digits = (context.entries / 10).max(1).ilog10() as usize;
    let keys = context.random_keys(context.reads, 25);
    let mut reader = context.engine()?.reader()?;
    let outcome = Outcome::repeat(name, context.reads, Some(context.limit), |at, sum| {
        let prefix = &keys[at as usize][..digits];
        scan(&mut *reader, Start::At(prefix), u64::MAX, prefix, sum)
    })?;
    Ok(vec![outcome])
}

/// One thread gets and one puts.
pub fn while_writing(context: &mut Context) -> Result<Vec<Outcome>> {
    let limit = context.limit.min(Duration::from_secs(10));
    let (engine, context) = (context.engine()?, &*context);
    let is_over = AtomicBool::new(false);
    let keys = context.random_keys(context.reads, 26);
    let write = || {
        let mut random = Random::new(27);
        let start = Instant::now();
        let mut all = Outcome::new("rww_write");
        while !is_over.load(Ordering::Relaxed) {
            let some = Outcome::repeat("rww_write", 1000, None, |_, _| {
                let id = random.below(context.entries);
                engine.put(&context.key(id), context.values.value(id, 2))?;
                Ok(1)
            })?;
            all.operations += some.operations;
            all.found += some.found;
            all.latencies.merge(&some.latencies);
        }
        all.elapsed = start.elapsed();
        Ok(all)
    };
    let read = || {
        let mut reader = engine.reader()?;
        let count = keys.len() as u64;
        let mut done = Outcome::repeat("rww_read", u64::MAX, Some(limit), |at, sum: &mut Sum| {
            Ok(u64::from(reader.get(&keys[(at % count) as usize], sum)?))
        })?;
        must_find(&done)?;
        // How far each engine came is its own affair, so sums differ.
        done.sum = Sum::default();
        // It holds the time of the writer too.
        done.processor_time = Duration::ZERO;
        Ok(done)
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(write);
        let done: Result<Outcome> = read();
        is_over.store(true, Ordering::Relaxed);
        let written: Result<Outcome> =
            writer.join().unwrap_or_else(|_| Err("the writer panicked".into()));
        Ok(vec![done?, written?])
    })
}
