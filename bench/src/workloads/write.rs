//! Workloads that write.

use super::Context;
use crate::data::{Key, Random, ordered_key, scramble};
use crate::engines::Result;
use crate::measure::Outcome;
use crate::process::processor_time;
use std::time::Instant;

/// Entries of a batch.
const BATCH: u64 = 100;

/// Puts every key once.
pub fn fill(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let engine = context.engine()?;
    let outcome = Outcome::repeat(name, context.entries, None, |id, _| {
        engine.put(&context.key(id), context.values.value(id, 0))?;
        Ok(1)
    })?;
    Ok(vec![outcome])
}

/// Puts every key once, in batches.
pub fn fill_batch(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let engine = context.engine()?;
    let mut batch: Vec<(Key, &[u8])> = Vec::new();
    let batches = context.entries.div_ceil(BATCH);
    let mut outcome = Outcome::repeat(name, batches, None, |number, _| {
        batch.clear();
        for id in number * BATCH..((number + 1) * BATCH).min(context.entries) {
            batch.push((context.key(id), context.values.value(id, 0)));
        }
        engine.put_batch(&batch)?;
        Ok(batch.len() as u64)
    })?;
    outcome.operations = outcome.found;
    Ok(vec![outcome])
}

/// Puts new values under random keys.
pub fn overwrite(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let engine = context.engine()?;
    let mut random = Random::new(11);
    let outcome = Outcome::repeat(name, context.entries, Some(context.limit * 3), |_, _| {
        let id = random.below(context.entries);
        engine.put(&context.key(id), context.values.value(id, 1))?;
        Ok(1)
    })?;
    context.is_cut |= outcome.operations < context.entries;
    Ok(vec![outcome])
}

/// Deletes a half of the keys, chosen by chance, in the order in which they were put.
pub fn delete(context: &mut Context, name: &'static str) -> Result<Vec<Outcome>> {
    let engine = context.engine()?;
    let mut ids = (0..context.entries).filter(|id| scramble(id + (1 << 50)) & 1 == 0);
    let count = ids.clone().count() as u64;
    let outcome = Outcome::repeat(name, count, None, |_, _| {
        let id = ids.next().ok_or("too few ids")?;
        engine.delete(&context.key(id))?;
        Ok(1)
    })?;
    Ok(vec![outcome])
}

/// Compacts everything.
pub fn compact(context: &mut Context) -> Result<Vec<Outcome>> {
    let engine = context.engine()?;
    let outcome = Outcome::once("compact", |_| {
        engine.compact()?;
        Ok(context.entries)
    })?;
    Ok(vec![outcome])
}

/// Fills the empty database from sorted data.
pub fn bulk(context: &mut Context) -> Result<Vec<Outcome>> {
    let engine = context.engine()?;
    let outcome = Outcome::once("bulkload", |_| {
        let mut entries =
            (0..context.entries).map(|id| (ordered_key(id), context.values.value(id, 0)));
        engine.bulk_load(&mut entries)?;
        Ok(context.entries)
    })?;
    Ok(vec![outcome])
}

/// Puts keys from some threads, each put synced, for a while.
pub fn fill_sync(context: &mut Context, name: &'static str, threads: u64) -> Result<Vec<Outcome>> {
    let (engine, limit) = (context.engine()?, context.limit.div_f64(4.0));
    let context = &*context;
    let (start, used) = (Instant::now(), processor_time());
    let parts: Vec<Result<Outcome>> = std::thread::scope(|scope| {
        let put = |thread: u64| {
            let first = (thread + threads * 8) * 100_000_000;
            Outcome::repeat(name, context.entries / threads, Some(limit), |at, _| {
                engine.put(&context.key(first + at), context.values.value(at, 0))?;
                Ok(1)
            })
        };
        let handles: Vec<_> = (0..threads).map(|t| scope.spawn(move || put(t))).collect();
        let join = |handle: std::thread::ScopedJoinHandle<'_, Result<Outcome>>| {
            handle.join().unwrap_or_else(|_| Err("a writer panicked".into()))
        };
        handles.into_iter().map(join).collect()
    });
    let mut all = Outcome::new(name);
    all.elapsed = start.elapsed();
    all.processor_time = processor_time() - used;
    for part in parts {
        let part = part?;
        all.operations += part.operations;
        all.found += part.found;
        all.latencies.merge(&part.latencies);
    }
    Ok(vec![all])
}
