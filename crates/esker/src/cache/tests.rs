//! The cache keeps what is used, within its budget, and gives everything back.

use super::*;

fn block(bytes: usize) -> CachedBlock {
    CachedBlock::new(vec![7; bytes], 0, Layout::default())
}

#[test]
fn used_blocks_stay_and_the_budget_holds() {
    let cache = Arc::new(BlockCache::new(100_000));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 1000));
    for number in 0..1000 {
        slots.insert(number, block(1000));
        assert!(slots.get(0).is_some(), "in use at {number}");
        let (others, blocks) = cache.resident_bytes();
        assert!(others + blocks <= 100_000);
    }
    let there = (0..1000).filter(|&n| slots.get(n).is_some()).count();
    assert!((50..100).contains(&there), "{there} blocks of about 80");
}

#[test]
fn a_pinned_block_outlives_its_slot() {
    let cache = Arc::new(BlockCache::new(1 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 1));
    let pinned = slots.insert(0, block(10));
    drop(slots);
    assert_eq!(pinned.as_ref().map(|b| b.bytes().len()), Some(10));
    assert_eq!(cache.resident_bytes(), (0, 0));
}

#[test]
fn others_push_blocks_out() {
    let cache = Arc::new(BlockCache::new(10_000));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 10));
    slots.insert(3, block(5000));
    cache.charge(9000);
    assert!(slots.get(3).is_none());
    cache.discharge(9000);
    slots.insert(3, block(5000));
    assert!(slots.get(3).is_some());
}

#[test]
fn tables_that_go_leave_nothing_in_the_rings() {
    let cache = Arc::new(BlockCache::new(1 << 30));
    for _ in 0..2000 {
        let slots = Arc::new(BlockSlots::new(cache.clone(), 16));
        for number in 0..16 {
            slots.insert(number, block(100));
        }
    }
    let left: usize = cache.rings.iter().map(|ring| ring.lock().places.len()).sum();
    assert!(left < 4000, "{left} places for blocks that are gone");
    assert_eq!(cache.resident_bytes(), (0, 0));
}

#[test]
fn blocks_are_kept_as_they_are_written_while_there_is_room() {
    let mut raw = Vec::new();
    let mut builder = crate::block::BlockBuilder::default();
    builder.push(crate::base::key::Entry::put(b"key", &[1; 1000]), None);
    builder.finish(&mut raw);
    let cache = Arc::new(BlockCache::new(FREE_BYTES + 7_500));
    let mut kept = KeptBlocks::new(cache.clone());
    (0..100).for_each(|_| kept.push(&raw));
    let (others, _) = cache.resident_bytes();
    assert!((5_000..=7_500).contains(&others), "{others} bytes");
    drop(kept);
    assert_eq!(cache.resident_bytes(), (0, 0));

    let mut kept = KeptBlocks::new(cache.clone());
    (0..3).for_each(|_| kept.push(&raw));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 3));
    kept.move_to(&slots);
    assert!((0..3).all(|n| slots.get(n).is_some_and(|b| b.as_ref().unwrap().bytes() == raw)));
    drop(slots);
    assert_eq!(cache.resident_bytes(), (0, 0));
}

#[test]
fn a_full_cache_takes_in_few_of_what_is_read() {
    let cache = Arc::new(BlockCache::new(100_000));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 1000));
    let admitted = |range: Range<usize>| {
        let read = |&number: &usize| {
            let is_admitted = slots.admits(1000);
            if is_admitted {
                slots.insert(number, block(1000));
            }
            is_admitted
        };
        range.filter(read).count()
    };
    assert_eq!(admitted(0..50), 50, "while there is room");
    admitted(50..200);
    let admitted = admitted(200..1000);
    assert!((90..150).contains(&admitted), "{admitted} of 800");
}

#[test]
fn memory_of_blocks_that_went_is_used_again() {
    let cache = Arc::new(BlockCache::new(400_000));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 1000));
    let mut seen = std::collections::HashSet::new();
    for number in 0..1000 {
        let mut memory = slots.memory(number, 4000).unwrap();
        memory.resize(4000, number as u8);
        seen.insert(memory.as_ptr());
        slots.insert(number, CachedBlock::new(memory, 0, Layout::default()));
        let (others, blocks) = cache.resident_bytes();
        assert!(others + blocks <= 400_000);
    }
    assert!(seen.len() < 150, "{} pieces of memory for about 90 blocks at a time", seen.len());
    drop(slots);
    assert!(cache.pool.bytes() <= 400_000 + POOL_BYTES);
    cache.charge(400_000);
    assert!(cache.pool.bytes() <= POOL_BYTES, "memory without blocks makes room");
}
