//! The cache keeps what is used, within its budget, and gives everything back.

use super::*;

fn insert(slots: &Arc<BlockSlots>, number: usize, bytes: usize) -> PinnedBlock {
    slots.insert(number, &vec![number as u8; bytes], Layout::default()).unwrap()
}

/// Where each block is in memory, if it is.
fn places(slots: &BlockSlots) -> Vec<Option<usize>> {
    let place = |slot: &Slot| Some(slot.block.load().as_ref()?.bytes().as_ptr().addr());
    slots.slots.iter().map(place).collect()
}

/// Number of blocks that were moved since they were at the places `before`.
fn moved(slots: &BlockSlots, before: &[Option<usize>]) -> usize {
    let is_moved = |(now, before): (Option<usize>, &Option<usize>)| {
        now.is_some() && before.is_some() && now != *before
    };
    places(slots).into_iter().zip(before).filter(|&pair| is_moved(pair)).count()
}

#[test]
fn used_blocks_stay_and_the_budget_holds() {
    let cache = Arc::new(BlockCache::new(100_000));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 1000));
    for number in 0..1000 {
        insert(&slots, number, 1000);
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
    let pinned = insert(&slots, 0, 100_000);
    drop(slots);
    assert_eq!(pinned.as_ref().map(|b| b.bytes().len()), Some(100_000));
    assert!(cache.resident_bytes().1 >= 100_000, "memory counts for as long as it is held");
    drop(pinned);
    assert_eq!(cache.resident_bytes(), (0, 0));
}

#[test]
fn others_push_blocks_out() {
    let cache = Arc::new(BlockCache::new(10_000));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 10));
    insert(&slots, 3, 5000);
    cache.charge(9000);
    assert!(slots.get(3).is_none());
    cache.discharge(9000);
    insert(&slots, 3, 5000);
    assert!(slots.get(3).is_some());
}

#[test]
fn small_tables_go_to_all_shards() {
    let cache = Arc::new(BlockCache::new(1 << 30));
    let tables: Vec<_> = (0..cache.shards.len())
        .map(|_| Arc::new(BlockSlots::new(cache.clone(), 1)))
        .inspect(|slots| drop(insert(slots, 0, 100)))
        .collect();
    assert!(tables.len() > 1);
    assert!(cache.shards.iter().all(|shard| shard.lock().ring.len() == 1));
}

#[test]
fn tables_that_go_leave_nothing_in_the_rings() {
    let cache = Arc::new(BlockCache::new(1 << 30));
    for _ in 0..2000 {
        let slots = Arc::new(BlockSlots::new(cache.clone(), 16));
        for number in 0..16 {
            insert(&slots, number, 100);
        }
    }
    let left: usize = cache.shards.iter().map(|shard| shard.lock().ring.len()).sum();
    assert!(left < 200, "{left} segments of blocks that are gone");
    let (others, blocks) = cache.resident_bytes();
    let filled = cache.shards.len() * cache.segments.segment_bytes();
    assert!(others == 0 && blocks <= 3 * filled, "{blocks} bytes of segments that are filled");
}

#[test]
fn blocks_are_kept_as_they_are_written_while_there_is_room() {
    let mut raw = Vec::new();
    let mut builder = crate::block::BlockBuilder::default();
    builder.push(crate::base::key::Entry::put(b"key", &[1; 1000]), None);
    builder.finish(&mut raw);
    let cache = Arc::new(BlockCache::new(ROOM_BYTES_MIN + 150_000));
    let mut kept = KeptBlocks::new(cache.clone(), true);
    (0..1000).for_each(|_| kept.push(&raw, Home::Kept));
    let (_, blocks) = cache.resident_bytes();
    assert!((130_000..200_000).contains(&blocks), "{blocks} bytes, two or three segments");
    drop(kept);
    assert_eq!(cache.resident_bytes(), (0, 0));

    let mut kept = KeptBlocks::new(cache.clone(), true);
    (0..40).for_each(|_| kept.push(&raw, Home::Kept));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 40));
    kept.move_to(&slots);
    assert!((0..40).all(|n| slots.get(n).is_some_and(|b| b.as_ref().unwrap().bytes() == raw)));
    drop(slots);
    assert_eq!(cache.resident_bytes(), (0, 0));
}

#[test]
fn what_is_not_kept_comes_at_rest() {
    let cache = Arc::new(BlockCache::new(64 << 20));
    let leaving = |home: Home, has_rest: bool| {
        let mut kept = KeptBlocks::new(cache.clone(), has_rest).leaving_all();
        kept.push(&[0; 100], home);
        (kept.is_empty(), kept.is_left_cold())
    };
    assert_eq!(leaving(Home::AtRest, true), (false, true), "its table is opened");
    assert_eq!(leaving(Home::Kept, true), (true, true));
    assert_eq!(leaving(Home::AtRest, false), (true, true), "as any other");
    assert_eq!(cache.resident_bytes(), (0, 0));
}

/// A merge of a table whose blocks nearly fill what blocks may: those that it has passed make way
/// for those that it writes.
#[test]
fn what_a_merge_has_read_makes_way_for_what_it_writes() {
    const BLOCKS: usize = 4500;
    let mut raw = Vec::new();
    let mut builder = crate::block::BlockBuilder::default();
    let mut push = |key| builder.push(crate::base::key::Entry::put(key, &[1; 1000]), None);
    b"abcdefgh".chunks(1).for_each(&mut push);
    builder.finish(&mut raw);
    let room = 40 << 20;
    let cache = Arc::new(BlockCache::new(ROOM_BYTES_MIN + room));
    let mut kept = KeptBlocks::new(cache.clone(), true);
    let read = Arc::new(BlockSlots::new(cache.clone(), BLOCKS));
    (0..BLOCKS).for_each(|_| kept.push(&raw, Home::Kept));
    std::mem::take(&mut kept).move_to(&read);
    assert!((0..BLOCKS).all(|number| read.get(number).is_some()));

    let mut kept = KeptBlocks::new(cache.clone(), true);
    let written = Arc::new(BlockSlots::new(cache.clone(), BLOCKS));
    for number in 0..BLOCKS {
        read.give_way(number);
        kept.push(&raw, Home::Kept);
    }
    assert!(cache.resident_bytes().1 <= room);
    kept.move_to(&written);
    let there = (0..BLOCKS).filter(|&number| written.get(number).is_some()).count();
    assert!(there >= BLOCKS * 9 / 10, "{there} of {BLOCKS}");
}

/// Segments of 1 MiB: a table of one block takes no segment of its own.
#[test]
fn small_tables_share_the_segments_of_a_large_cache() {
    let mut raw = Vec::new();
    let mut builder = crate::block::BlockBuilder::default();
    builder.push(crate::base::key::Entry::put(b"key", &[1; 1000]), None);
    builder.finish(&mut raw);
    let cache = Arc::new(BlockCache::new(512 << 20));
    let tables: Vec<_> = (0..100)
        .map(|_| {
            let mut kept = KeptBlocks::new(cache.clone(), true);
            kept.push(&raw, Home::Kept);
            let slots = Arc::new(BlockSlots::new(cache.clone(), 1));
            kept.move_to(&slots);
            slots
        })
        .collect();
    assert!(tables.iter().all(|slots| slots.get(0).is_some()));
    let (_, blocks) = cache.resident_bytes();
    assert!(blocks < 10 << 20, "{blocks} bytes for {} blocks of {}", tables.len(), raw.len());
    drop(tables);
}

#[test]
fn a_full_cache_takes_in_few_of_what_is_read() {
    let cache = Arc::new(BlockCache::new(100_000));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 1000));
    let admitted = |range: Range<usize>| {
        let read = |&number: &usize| {
            let is_admitted = slots.admits(1000);
            if is_admitted {
                insert(&slots, number, 1000);
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
fn what_is_counted_is_the_memory_of_segments_whatever_thread_asks() {
    let cache = Arc::new(BlockCache::new(8 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 4000));
    let insert_all = |first: usize| {
        for number in (first..4000).step_by(4) {
            // Blocks of many sizes, and some that have a segment each.
            let pinned = insert(&slots, number, 3000 + number * 37 % 9000 + number % 50 * 600);
            let block = pinned.as_ref().unwrap();
            assert!(block.bytes().iter().all(|&byte| byte == number as u8));
        }
    };
    std::thread::scope(|scope| {
        (0..4).for_each(|first| drop(scope.spawn(move || insert_all(first))));
    });
    let (others, blocks) = cache.resident_bytes();
    assert!(others + blocks <= 8 << 20);
    let kept = |slot: &Slot| slot.block.load().as_ref().map_or(0, |block| block.bytes().len());
    let bytes: usize = slots.slots.iter().map(kept).sum();
    assert!(blocks >= bytes && bytes > 5 << 20, "{bytes} bytes of blocks in {blocks}");
    cache.charge(7 << 20);
    assert!(cache.resident_bytes().1 <= 1 << 20, "segments make room");
    drop(slots);
    cache.discharge(7 << 20);
    assert_eq!(cache.resident_bytes().0, 0);
}

#[test]
fn a_used_block_moves_on_and_its_neighbours_go() {
    let cache = Arc::new(BlockCache::new(8 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 20_000));
    for number in 0..20_000 {
        insert(&slots, number, 2000);
        let block = slots.get(0).expect("in use");
        assert!(block.as_ref().unwrap().bytes().iter().all(|&byte| byte == 0));
    }
    assert!((1..100).all(|number| slots.get(number).is_none()));
}

/// Where each block was once used, none is worth more than another: most stay where they are.
#[test]
fn a_full_cache_does_not_copy_all_that_was_ever_used() {
    let cache = Arc::new(BlockCache::new(8 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 4000));
    (0..800).for_each(|number| drop(insert(&slots, number, 8000)));
    assert!((0..800).all(|number| slots.get(number).is_some()), "all fit, and are used");
    let before = places(&slots);
    (1000..1400).for_each(|number| drop(insert(&slots, number, 8000)));
    let there = (0..800).filter(|&number| slots.holds(number)).count();
    let moved = moved(&slots, &before);
    assert!((500..700).contains(&there), "{there} of 800 are there");
    assert!(moved < there / 4, "{moved} of 800 were copied");
}

/// Others may ask for much at once: most of what goes for it was used, and little is copied.
#[test]
fn a_large_charge_copies_little() {
    let cache = Arc::new(BlockCache::new(32 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 8000));
    (0..3900).for_each(|number| drop(insert(&slots, number, 8000)));
    assert!((0..3900).all(|number| slots.get(number).is_some()), "all fit, and are used");
    for percent in [12, 28] {
        let before = places(&slots);
        let bytes = cache.budget_bytes * percent / 100;
        cache.charge(bytes);
        let (others, blocks) = cache.resident_bytes();
        assert!(others + blocks <= cache.budget_bytes, "{others} and {blocks} bytes");
        let moved = moved(&slots, &before) * 8000;
        assert!(moved < cache.budget_bytes / 5, "{moved} bytes copied for {percent} percent");
        cache.discharge(bytes);
        let get_all = |number: usize| slots.get(number).is_some() || slots.admits(8000);
        (0..3900).for_each(|number| assert!(get_all(number), "{number}"));
    }
}

#[test]
fn a_block_that_would_drive_out_much_is_not_kept() {
    let cache = Arc::new(BlockCache::new(16 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 10));
    assert!((0..100).all(|_| !slots.admits((1 << 20) + 1)));
    assert!(slots.admits(1 << 20));
}

/// What makes room may be gone already, with the tables that it was of.
#[test]
fn segments_that_are_gone_do_not_hide_those_that_are_there() {
    let budget = 4 << 20;
    for gone in [72, 144, 216] {
        let cache = Arc::new(BlockCache::new(budget));
        assert_eq!(cache.shards.len(), 1);
        let [first, second] = [0, 1].map(|_| Arc::new(BlockSlots::new(cache.clone(), 1000)));
        (0..gone).for_each(|number| drop(insert(&first, number, 8000)));
        let goes_for = |number: usize| {
            insert(&second, number, 8000);
            !first.holds(0)
        };
        assert!((0..600).any(goes_for), "the first of the oldest makes room");
        drop(first);
        let (others, blocks) = cache.resident_bytes();
        cache.charge(budget - others - blocks + (1 << 20));
        let (others, blocks) = cache.resident_bytes();
        assert!(others + blocks <= budget, "{others} and {blocks} bytes, {gone} blocks gone");
        cache.discharge(others);
    }
}

/// A shard that has little gets more, once its blocks are those that are read.
#[test]
fn a_shard_takes_room_from_others() {
    let cache = Arc::new(BlockCache::new(32 << 20));
    let shards = cache.shards.len();
    assert!(shards > 1);
    let slots = Arc::new(BlockSlots::new(cache.clone(), 32_000));
    let row = |number: &usize| slots.first_shard + number / ROW_BLOCKS;
    let is_first = |number: &usize| row(number).is_multiple_of(shards);
    (0..16_000).filter(|n| !is_first(n)).for_each(|n| drop(insert(&slots, n, 8000)));
    (16_000..32_000).filter(is_first).for_each(|n| drop(insert(&slots, n, 8000)));
    let there = (16_000..32_000).filter(|n| is_first(n) && slots.holds(*n)).count();
    assert!(there > 1000, "{there} blocks of the first shard");
}

#[test]
fn in_a_full_cache_memory_goes_from_segment_to_segment() {
    let cache = Arc::new(BlockCache::new(8 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 4000));
    (0..2000).for_each(|number| drop(insert(&slots, number, 8000)));
    let is_free = |number: usize| {
        insert(&slots, number, 8000);
        let (others, blocks) = cache.resident_bytes();
        assert!(others + blocks + cache.segments.free_bytes() <= (8 << 20) + (8 << 20) / 64);
        cache.segments.free_bytes() > 0
    };
    let free = (2000..4000).filter(|&number| is_free(number)).count();
    assert!(free > 1000, "memory of a segment was there {free} times of 2,000");
    cache.give_back();
    assert_eq!(cache.segments.free_bytes(), 0);
}

#[test]
fn memory_that_went_for_a_charge_is_given_back() {
    let cache = Arc::new(BlockCache::new(8 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 2000));
    (0..2000).for_each(|number| drop(insert(&slots, number, 8000)));
    cache.charge(1 << 20);
    let (others, blocks) = cache.resident_bytes();
    let free = cache.segments.free_bytes();
    assert!(others + blocks + free <= (8 << 20) + (8 << 20) / 64, "{free} bytes are free");
}

/// As if a reader had been held up between taking an address and noting it, while what had the
/// address went and the block of another slot came there, and went too.
#[test]
fn a_block_of_another_slot_is_as_good_as_none() {
    let cache = Arc::new(BlockCache::new(8 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 2));
    let others = Arc::new(BlockSlots::new(cache.clone(), 2));
    insert(&slots, 0, 100);
    for (from, number) in [(&others, 0), (&others, 1), (&slots, 1)] {
        insert(from, number, 100);
        let foreign = from.slots[number].block.load_full();
        slots.slots[0].set(foreign);
        assert!(slots.get(0).is_none() && !slots.holds(0), "block {number}");
        assert!(from.get(number).is_some());
        insert(&slots, 0, 100);
        assert!(slots.get(0).is_some());
    }
    // What the clock moves is still of its slot.
    let all = Arc::new(BlockSlots::new(cache, 3000));
    (0..3000).for_each(|number| {
        drop(insert(&all, number, 8000));
        all.get(number - number % 2);
    });
    let (held, found) = (0..3000).fold((0, 0), |(held, found), number| {
        let is_there = all.slots[number].block.load().is_some();
        (held + usize::from(is_there), found + usize::from(all.holds(number)))
    });
    assert!(held == found && held > 500, "{found} of {held}");
}

/// A block whose segment of its own has the usual length is no block among others.
#[test]
fn a_block_that_stands_alone_is_never_copied() {
    let cache = Arc::new(BlockCache::new(32 << 20));
    let segment_bytes = cache.segments.segment_bytes();
    let slots = Arc::new(BlockSlots::new(cache.clone(), 2));
    for (number, bytes) in [segment_bytes - RECORD_BYTES, segment_bytes].into_iter().enumerate() {
        let block = insert(&slots, number, bytes);
        assert!(block.as_ref().unwrap().segment().stands_alone(), "{bytes} bytes");
    }
    assert!(!insert(&slots, 0, 100).as_ref().unwrap().segment().stands_alone());
}

#[test]
fn a_block_outlives_its_slot_its_table_and_the_cache() {
    let cache = Arc::new(BlockCache::new(8 << 20));
    let slots = Arc::new(BlockSlots::new(cache.clone(), 1));
    let pinned: Vec<_> = (0..20).map(|_| insert(&slots, 0, 3000)).collect();
    drop((slots, cache));
    let held = |pinned: PinnedBlock| {
        let bytes = pinned.as_ref().unwrap().bytes();
        assert!(bytes.len() == 3000 && bytes.iter().all(|&byte| byte == bytes[0]));
    };
    std::thread::scope(|scope| {
        pinned.into_iter().for_each(|one| drop(scope.spawn(move || held(one))));
    });
}
