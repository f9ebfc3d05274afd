//! What the calling thread is at, told by the spans that it is in: the engine has one for each of
//! its jobs, the harness one for each step.

use std::cell::RefCell;
use std::sync::{Mutex, Once, PoisonError};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What a thread is at that is in no span.
pub const NOTHING: &str = "other";

thread_local! {
    static SPANS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// The innermost span of this thread.
pub fn phase() -> &'static str {
    SPANS.with_borrow(|spans| spans.last().copied().unwrap_or(NOTHING))
}

/// What a thread can be at: the engine's jobs, and the steps of the harness.
const PHASES: &[&str] = &[
    "open",
    "flush",
    "compact",
    "write",
    "flush all",
    "compact all",
    "ingest",
    "make table",
    "checkpoint",
    "read",
    "read beside",
    "verify",
    NOTHING,
];

/// The phase with this `name`.
pub fn known(name: &str) -> Option<&'static str> {
    PHASES.iter().copied().find(|known| *known == name)
}

/// The names of spans that were met; a span's identity is a place in it, counted from 1.
static NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());

/// Begins to follow the spans of all threads of this process.
pub fn follow() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // If somebody else follows them, everything happens in no span.
        let _ = tracing::subscriber::set_global_default(Spans);
    });
}

/// Follows spans.
struct Spans;

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let name = attributes.metadata().name();
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        Id::from_u64(at as u64 + 1)
    }

    fn enter(&self, span: &Id) {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(span.into_u64() as usize - 1) {
            SPANS.with_borrow_mut(|spans| spans.push(name));
        }
    }

    fn exit(&self, _: &Id) {
        SPANS.with_borrow_mut(|spans| {
            spans.pop();
        });
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
}
