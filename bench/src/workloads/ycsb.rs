//! The core workloads of YCSB (Cooper and others, 2010), from one thread.

use super::Context;
use crate::data::{Random, Zipf};
use crate::engines::{Result, Start, Visit};
use crate::measure::Outcome;

/// What the operations are, in parts of a hundred; the rest inserts.
pub struct Mix {
    name: &'static str,
    reads: u64,
    updates: u64,
    scans: u64,
    modifies: u64,
    is_latest: bool,
}

const NOTHING: Mix =
    Mix { name: "", reads: 0, updates: 0, scans: 0, modifies: 0, is_latest: false };

pub const A: Mix = Mix { name: "ycsb_a", reads: 50, updates: 50, ..NOTHING };
pub const B: Mix = Mix { name: "ycsb_b", reads: 95, updates: 5, ..NOTHING };
pub const C: Mix = Mix { name: "ycsb_c", reads: 100, ..NOTHING };
pub const D: Mix = Mix { name: "ycsb_d", reads: 95, is_latest: true, ..NOTHING };
pub const E: Mix = Mix { name: "ycsb_e", scans: 95, ..NOTHING };
pub const F: Mix = Mix { name: "ycsb_f", reads: 50, modifies: 50, ..NOTHING };

/// Runs a mix.
pub fn run(context: &mut Context, mix: &Mix) -> Result<Vec<Outcome>> {
    let zipf = Zipf::new(context.entries);
    let mut random = Random::new(31);
    // Drawn before, as it takes longer than some gets.
    let ranks: Vec<u32> = (0..context.reads).map(|_| zipf.rank(&mut random) as u32).collect();
    let engine = context.engine()?;
    let mut reader = engine.reader()?;
    let mut entries = context.entries;
    let outcome = Outcome::repeat(mix.name, context.reads, Some(context.limit), |at, sum| {
        let rank = u64::from(ranks[at as usize]);
        let id = if mix.is_latest { entries - 1 - rank } else { rank };
        let key = context.key(id);
        let mut dice = random.below(100);
        let mut is_it = |share: u64| {
            let is_it = dice < share;
            dice = dice.wrapping_sub(share);
            is_it
        };
        if is_it(mix.reads) {
            return Ok(u64::from(reader.get(&key, sum)?));
        }
        if is_it(mix.updates) {
            engine.put(&key, context.values.value(id, at))?;
            return Ok(0);
        }
        if is_it(mix.modifies) {
            let found = reader.get(&key, sum)?;
            engine.put(&key, context.values.value(id, at))?;
            return Ok(u64::from(found));
        }
        if is_it(mix.scans) {
            let mut visit = Visit::new(1 + random.below(100), b"");
            reader.scan(Start::At(&key), &mut visit)?;
            sum.0 = sum.0.wrapping_add(visit.sum.0);
            return Ok(visit.entries);
        }
        engine.put(&context.key(entries), context.values.value(entries, 0))?;
        entries += 1;
        Ok(0)
    })?;
    drop(reader);
    context.entries = entries;
    context.is_cut |= outcome.operations < context.reads;
    Ok(vec![outcome])
}
