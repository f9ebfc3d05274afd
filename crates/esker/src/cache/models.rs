//! The cache under shuttle: blocks that come, go and are read at the same time.

use super::*;
use shuttle::rand::Rng;

/// Blocks of a table, threads beside each other, steps of each.
const BLOCKS: usize = 3;
const THREADS: usize = 3;
const STEPS: usize = 4;
const ITERATIONS: usize = 400;

fn block(number: usize) -> CachedBlock {
    CachedBlock::new(vec![number as u8; 1000], 0, Layout::default())
}

/// Takes block `number` out of its slot in two steps: a planted mistake.
fn take_out_in_two_steps(slots: &BlockSlots, number: usize) {
    let found = slots.slots[number].block.load_full();
    shuttle::thread::yield_now();
    slots.slots[number].block.store(None);
    slots.cache.forget(number, found);
}

fn work(slots: &Arc<BlockSlots>, take_out: Option<fn(&BlockSlots, usize)>) {
    for _ in 0..STEPS {
        let number = shuttle::rand::thread_rng().gen_range(0..BLOCKS);
        let pinned = slots.get(number).unwrap_or_else(|| slots.insert(number, block(number)));
        if let Some(take_out) = take_out {
            take_out(slots, number);
        }
        slots.cache.charge(700);
        slots.cache.discharge(700);
        let bytes = pinned.as_ref().unwrap().bytes();
        assert!(bytes.len() == 1000 && bytes.iter().all(|b| *b == number as u8));
    }
}

/// Threads on one table: what is pinned stays whole, the counters are those of the slots, and
/// everything is given back.
fn run(take_out: Option<fn(&BlockSlots, usize)>) {
    let model = move || {
        let cache = Arc::new(BlockCache::new(3_000));
        let slots = Arc::new(BlockSlots::new(cache.clone(), BLOCKS));
        let start = |_| {
            let slots = slots.clone();
            shuttle::thread::spawn(move || work(&slots, take_out))
        };
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let kept = slots.slots.iter().filter_map(|slot| slot.block.load_full());
        let bytes: usize = kept.map(|block| block.resident_bytes()).sum();
        let (others, blocks) = cache.resident_bytes();
        assert_eq!(blocks, bytes, "the counter and the slots");
        assert!(others + blocks <= 3_000, "over the budget: {others} and {blocks}");
        drop(slots);
        assert_eq!(cache.resident_bytes(), (0, 0));
    };
    crate::base::sync::check(ITERATIONS, model);
}

#[test]
fn what_is_pinned_stays_and_the_counters_hold() {
    run(None);
}

#[test]
#[should_panic]
fn a_block_that_goes_in_two_steps_is_found() {
    run(Some(take_out_in_two_steps));
}
