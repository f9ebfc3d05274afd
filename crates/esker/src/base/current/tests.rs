//! Values of a place come, go and are counted; those of others are not read.

use super::*;
use std::sync::atomic::AtomicBool;

#[repr(align(64))]
struct Value {
    number: u64,
    round: u64,
}

impl Numbered for Value {
    const KIND: Kind = Kind::Seen;

    fn number(&self) -> u64 {
        self.number
    }
}

fn value(number: u64, round: u64) -> Arc<Value> {
    Arc::new(Value { number, round })
}

#[test]
fn what_is_of_another_place_is_not_read() {
    let (first, number) = (new_numbers(2), new_numbers(1));
    assert_eq!(number, first + 2);
    let current = Current::new(value(number, 1));
    assert_eq!((current.load().round, current.load_full().round), (1, 1));
    // As if the reader had been held up.
    current.place.store(Offset(value(first, 2)));
    let is_back = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            is_back.store(true, Ordering::SeqCst);
            current.store(value(number, 3));
        });
        assert_eq!(current.load().round, 3);
        assert!(is_back.load(Ordering::SeqCst));
    });
}

#[test]
fn values_come_and_go_and_are_counted() {
    let kept = value(new_numbers(1), 0);
    let current = Current::new(kept.clone());
    assert_eq!(Offset::<Value>::as_ptr(&Offset(kept.clone())).addr() % ALIGN, 13);
    let held: Vec<_> = (0..20).map(|_| current.load()).collect();
    current.store(value(kept.number, 1));
    assert!(held.iter().all(|held| held.round == 0));
    drop(held);
    assert_eq!(Arc::strong_count(&kept), 1);
    let full = current.load_full();
    drop(current);
    assert_eq!((full.round, Arc::strong_count(&full)), (1, 1));
}
