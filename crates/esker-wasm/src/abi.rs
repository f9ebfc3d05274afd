//! The border to JavaScript: the only `unsafe` of this crate.
//!
//! JavaScript writes a request to the place that [`esker_request`] gives, calls [`esker_call`], and
//! reads the reply where [`esker_reply`] says. Persistent files are a row of exclusive handles on
//! the other side, by number, that the functions of the module `esker` read and write.
//!
//! # Invariants
//! - **W1** The other side reads and writes this side's memory only between calls, or within one of
//!   its own functions in the bytes that it was given there.
//! - **W2** A pointer that is given away is used only until the next call.
#![allow(unsafe_code)]

use crate::session::Session;
use std::cell::RefCell;

/// What lives between calls.
#[derive(Default)]
struct Border {
    session: Session,
    request: Vec<u8>,
    reply: Vec<u8>,
}

thread_local! {
    static BORDER: RefCell<Border> = RefCell::default();
}

/// Bytes of request and reply that are kept between calls.
const KEPT_BYTES: usize = 1 << 20;

/// Makes room for a request of `len` bytes, and says where.
// SAFETY: the name is used once.
#[unsafe(no_mangle)]
pub extern "C" fn esker_request(len: usize) -> *mut u8 {
    BORDER.with_borrow_mut(|border| {
        if border.request.len() < len || border.request.len() > len.max(KEPT_BYTES) {
            border.request = vec![0; len.max(4096)];
        }
        border.request.as_mut_ptr()
    })
}

/// Does request number `code` of `len` bytes on the thing number `target`. Gives the number of
/// bytes of the reply, or −1 less than it if the reply is an error: a byte for its kind, and what
/// it says.
// SAFETY: the name is used once.
#[unsafe(no_mangle)]
pub extern "C" fn esker_call(code: u32, target: u32, len: usize) -> i32 {
    BORDER.with_borrow_mut(|border| {
        let Border { session, request, reply } = border;
        reply.clear();
        reply.shrink_to(KEPT_BYTES);
        let request = &request[..len.min(request.len())];
        match session.call(code, target, request, reply) {
            Ok(()) => reply.len() as i32,
            Err(error) => {
                reply.clear();
                reply.push(error.kind() as u8);
                reply.extend_from_slice(error.to_string().as_bytes());
                -1 - reply.len() as i32
            }
        }
    })
}

/// Where the reply to the last call stands.
// SAFETY: the name is used once.
#[unsafe(no_mangle)]
pub extern "C" fn esker_reply() -> *const u8 {
    BORDER.with_borrow(|border| border.reply.as_ptr())
}

/// Takes in the files of the other side, for persistent stores. Zero, or 1 if they cannot be read.
// SAFETY: the name is used once.
#[unsafe(no_mangle)]
pub extern "C" fn esker_files() -> i32 {
    #[cfg(target_arch = "wasm32")]
    if let Ok(files) = crate::PoolVfs::open(Box::new(host::Host)) {
        BORDER.with_borrow_mut(|border| border.session.set_files(files));
        return 0;
    }
    1
}

/// Files that are free; those in use times 2^16 are added.
// SAFETY: the name is used once.
#[unsafe(no_mangle)]
pub extern "C" fn esker_free_files() -> u32 {
    BORDER.with_borrow(|border| {
        let files = border.session.files.as_ref();
        files.map_or(0, |files| {
            let (free, used) = files.free_and_used();
            (free.min(0xffff) | used.min(0xffff) << 16) as u32
        })
    })
}

/// The files of the other side.
#[cfg(target_arch = "wasm32")]
mod host {
    use crate::Device;
    use std::io;
    use std::time::Duration;

    pub(super) struct Host;

    // SAFETY: the signatures are those of `web/package/engine.js`, which by W1 touches nothing but
    // the bytes that it is given. Offsets are whole numbers below 2^53.
    #[link(wasm_import_module = "esker")]
    unsafe extern "C" {
        safe fn file_count() -> u32;
        safe fn file_len(slot: u32) -> f64;
        fn file_read(slot: u32, bytes: *mut u8, len: usize, offset: f64) -> i32;
        fn file_write(slot: u32, bytes: *const u8, len: usize, offset: f64) -> i32;
        safe fn file_truncate(slot: u32, len: f64) -> i32;
        safe fn file_flush(slot: u32) -> i32;
        safe fn now() -> f64;
    }

    fn done(code: i32) -> io::Result<usize> {
        usize::try_from(code).map_err(|_| match code {
            -2 => io::Error::new(io::ErrorKind::StorageFull, "the browser's quota is used up"),
            _ => io::Error::other("the browser refused"),
        })
    }

    impl Device for Host {
        fn count(&self) -> usize {
            file_count() as usize
        }

        fn len(&self, slot: usize) -> io::Result<u64> {
            let len = file_len(slot as u32);
            if len < 0.0 { Err(io::Error::other("the browser refused")) } else { Ok(len as u64) }
        }

        fn read(&self, slot: usize, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            // SAFETY: pointer and length are those of a live slice that is ours alone; W1.
            done(unsafe { file_read(slot as u32, buf.as_mut_ptr(), buf.len(), offset as f64) })
        }

        fn write(&self, slot: usize, bytes: &[u8], offset: u64) -> io::Result<()> {
            // SAFETY: pointer and length are those of a live slice; W1.
            done(unsafe { file_write(slot as u32, bytes.as_ptr(), bytes.len(), offset as f64) })
                .map(drop)
        }

        fn truncate(&self, slot: usize, len: u64) -> io::Result<()> {
            done(file_truncate(slot as u32, len as f64)).map(drop)
        }

        fn flush(&self, slot: usize) -> io::Result<()> {
            done(file_flush(slot as u32)).map(drop)
        }

        fn now(&self) -> Duration {
            Duration::from_secs_f64(now().max(0.0) / 1000.0)
        }
    }
}
