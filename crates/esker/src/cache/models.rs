//! The cache under shuttle: blocks that come, go and are read at the same time. There is no change
//! of threads within arc-swap, so that what `base/current.rs` tells of it is not found here.

use super::*;
use shuttle::rand::Rng;

/// Blocks of a table, threads beside each other, steps of each.
const BLOCKS: usize = 3;
const THREADS: usize = 3;
const STEPS: usize = 4;
const ITERATIONS: usize = 400;

fn insert(slots: &Arc<BlockSlots>, number: usize) -> PinnedBlock {
    slots.insert(number, &[number as u8; 3000], Layout::default()).unwrap()
}

/// Counts memory in two steps: a planted mistake.
fn charge_in_two_steps(cache: &BlockCache) {
    let others = cache.others.load(Ordering::Relaxed);
    shuttle::thread::yield_now();
    cache.others.store(others + 9_000, Ordering::Relaxed);
}

fn work(slots: &Arc<BlockSlots>, charge: fn(&BlockCache)) {
    for _ in 0..STEPS {
        let number = shuttle::rand::thread_rng().gen_range(0..BLOCKS);
        let pinned = slots.get(number).unwrap_or_else(|| insert(slots, number));
        charge(&slots.cache);
        slots.cache.discharge(9_000);
        let bytes = pinned.as_ref().unwrap().bytes();
        assert!(bytes.len() == 3000 && bytes.iter().all(|b| *b == number as u8));
    }
}

/// Threads on one table: what is pinned stays whole, the budget holds, and everything is given
/// back.
fn run(charge: fn(&BlockCache)) {
    let model = move || {
        let cache = Arc::new(BlockCache::new(40_000));
        let slots = Arc::new(BlockSlots::new(cache.clone(), BLOCKS));
        let start = |_| {
            let slots = slots.clone();
            shuttle::thread::spawn(move || work(&slots, charge))
        };
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let (others, blocks) = cache.resident_bytes();
        assert!(others + blocks <= 40_000, "over the budget: {others} and {blocks}");
        drop(slots);
        // The segment under way stays, with what its blocks took beside.
        let (others, blocks) = cache.resident_bytes();
        assert!(others == 0 && blocks <= 2 * cache.segments.segment_bytes());
    };
    crate::base::sync::check(ITERATIONS, model);
}

#[test]
fn what_is_pinned_stays_and_the_counters_hold() {
    run(|cache| cache.charge(9_000));
}

#[test]
#[should_panic]
fn a_count_that_is_taken_in_two_steps_is_found() {
    run(charge_in_two_steps);
}
