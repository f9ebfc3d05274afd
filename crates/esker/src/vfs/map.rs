//! Memory maps that survive the file being cut short under them, and a disk that fails.
//!
//! Reading a mapped page that the system cannot read from its file raises `SIGBUS`, which kills the
//! process. The guard installs a handler that looks the address up among the live maps, marks the
//! map lost, puts zeros in the place of the lost pages and lets the read go on; whoever reads
//! through the map asks [`ReadAt::is_lost`] afterwards and throws the result away. An address
//! that belongs to none of our maps goes to the handler that was there before.
//!
//! # Invariants
//! - **M1** A slot's `start` and `end` are set before its map is handed out and cleared before
//!   the map is unmapped, so a published range is always a live mapping of ours.
//! - **M2** The handler touches nothing but the slots (lock-free statics), `mmap` and the previous
//!   action; all three are safe to use in a signal handler.
//! - **M3** Slots are allocated for ever (leaked), so the handler never follows a dead pointer.
#![allow(unsafe_code)]

use super::ReadAt;
use memmap2::{Mmap, MmapOptions};
use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

/// A read-only map of a file, whose disappearing pages turn into zeros and a mark.
pub(super) struct GuardedMap {
    map: Mmap,
    slot: &'static Slot,
}

/// One entry of the list that the signal handler walks.
struct Slot {
    taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    lost: AtomicBool,
    next: Option<&'static Slot>,
}

/// Head of the list of all slots; null when there is none.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(std::ptr::null_mut());

impl GuardedMap {
    /// Maps the whole of `file`.
    pub(super) fn new(file: &File) -> io::Result<GuardedMap> {
        install_handler()?;
        // SAFETY: the map is read-only, and the format above it takes any bytes for input and
        // checks them, so a writer elsewhere can at worst cause a reported corruption. A file
        // cut short is what the handler is for.
        let map = unsafe { MmapOptions::new().map(file)? };
        let slot = Slot::take();
        slot.lost.store(false, Ordering::Relaxed);
        slot.start.store(map.as_ptr() as usize, Ordering::Relaxed);
        slot.end.store(map.as_ptr() as usize + map.len(), Ordering::Release);
        Ok(GuardedMap { map, slot })
    }
}

impl Drop for GuardedMap {
    fn drop(&mut self) {
        self.slot.end.store(0, Ordering::Release);
        self.slot.taken.store(false, Ordering::Release);
    }
}

impl ReadAt for GuardedMap {
    fn len(&self) -> io::Result<u64> {
        Ok(self.map.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let source = start.checked_add(buf.len()).and_then(|end| self.map.get(start..end));
        buf.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        if self.is_lost() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(&self.map)
    }

    fn is_lost(&self) -> bool {
        // What was read before this was read before the mark.
        fence(Ordering::Acquire);
        self.slot.lost.load(Ordering::Relaxed)
    }
}

impl Slot {
    /// A free slot of the list, or a new one.
    fn take() -> &'static Slot {
        let mut slot = head();
        while let Some(s) = slot {
            if !s.taken.swap(true, Ordering::AcqRel) {
                return s;
            }
            slot = s.next;
        }
        let mut next = SLOTS.load(Ordering::Acquire);
        loop {
            let fresh = Box::leak(Box::new(Slot {
                taken: AtomicBool::new(true),
                start: AtomicUsize::new(0),
                end: AtomicUsize::new(0),
                lost: AtomicBool::new(false),
                // SAFETY: by M3 a non-null pointer in the list points at a leaked slot.
                next: unsafe { next.as_ref() },
            }));
            match SLOTS.compare_exchange(next, fresh, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return fresh,
                Err(now) => next = now,
            }
        }
    }
}

fn head() -> Option<&'static Slot> {
    // SAFETY: by M3 a non-null pointer in the list points at a leaked slot.
    unsafe { SLOTS.load(Ordering::Acquire).as_ref() }
}

/// The action for `SIGBUS` before ours, and the size of a page.
struct Before {
    action: libc::sigaction,
    page_bytes: usize,
}

static BEFORE: OnceLock<Option<Before>> = OnceLock::new();

fn install_handler() -> io::Result<()> {
    let before = BEFORE.get_or_init(|| {
        // SAFETY: a zeroed `sigaction` is a valid value of that C struct, and it is filled in
        // before use; both pointers are to live locals. By M2 the handler is signal safe.
        unsafe {
            let page_bytes = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).ok()?;
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), &mut before) != 0 {
                return None;
            }
            let mut ours: libc::sigaction = std::mem::zeroed();
            ours.sa_sigaction = on_bus_error as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            let installed = libc::sigaction(libc::SIGBUS, &ours, std::ptr::null_mut()) == 0;
            installed.then_some(Before { action: before, page_bytes })
        }
    });
    before.as_ref().map(|_| ()).ok_or_else(|| io::ErrorKind::Unsupported.into())
}

extern "C" fn on_bus_error(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid `siginfo_t` to a handler with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() } as usize;
    let mut slot = head();
    while let Some(s) = slot {
        let end = s.end.load(Ordering::Acquire);
        let start = s.start.load(Ordering::Relaxed);
        if (start..end).contains(&address) {
            // Before the zeros are there: who reads them finds the mark.
            s.lost.store(true, Ordering::Release);
            if zero_from(address, start, end) {
                return;
            }
        }
        slot = s.next;
    }
    pass_on(signal, info, context);
}

/// Puts zeros in the place of the pages from `address` to the end of the map.
fn zero_from(address: usize, start: usize, end: usize) -> bool {
    let Some(Some(before)) = BEFORE.get() else { return false };
    let page = (address - address % before.page_bytes).max(start);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: by M1 `start..end` is a live mapping of ours, and `page` lies in it, so replacing
    // its tail takes no memory from anyone else; readers see zeros, which they may.
    let mapped =
        unsafe { libc::mmap(page as *mut libc::c_void, end - page, libc::PROT_READ, flags, -1, 0) };
    mapped != libc::MAP_FAILED
}

/// Does what would have been done without us.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(Some(before)) = BEFORE.get() else { return };
    let action = before.action.sa_sigaction;
    // SAFETY: `action` is the previous handler with the signature that its flags say; for the
    // default action we restore it and return, so that the faulting read raises it again.
    unsafe {
        if action == libc::SIG_DFL || action == libc::SIG_IGN {
            libc::sigaction(signal, &before.action, std::ptr::null_mut());
        } else if before.action.sa_flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(action);
            handler(signal, info, context);
        } else {
            let handler: extern "C" fn(libc::c_int) = std::mem::transmute(action);
            handler(signal);
        }
    }
}
