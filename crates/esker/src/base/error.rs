//! What can go wrong, with the place where it did.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Bytes on disk are not what was written. Retrying cannot help; restore or repair.
    Corruption,
    /// The file is sound as far as can be told, but this build cannot read it: a newer format
    /// version, a codec that was not compiled in, or a kind of record that is not supported.
    Unsupported,
    /// The caller handed over something that is refused: a key too long, keys out of order,
    /// settings that contradict themselves. Nothing was changed.
    InvalidInput,
    /// The operating system refused. May pass on retry.
    Io,
    /// Someone else holds the database open for writing. May pass once they let go.
    Locked,
    /// The database no longer takes writes, because of an earlier failure that the message
    /// names; reads go on. Open it again.
    Poisoned,
}

/// An error, with the place it came from. One pointer wide, so that `Result<()>` stays small.
///
/// # Examples
/// ```
/// use esker::{ErrorKind, Table};
/// let error = Table::from_bytes(b"not a table".to_vec()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Corruption);
/// assert!(error.to_string().contains("magic"));
/// ```
pub struct Error(Box<Inner>);

/// Shorthand for a result with esker's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
enum Inner {
    #[error(
        "{}: corrupt {what} at byte {offset}: expected {expected}, found {found}",
        path.display()
    )]
    Corruption { path: PathBuf, offset: u64, what: &'static str, expected: String, found: String },
    #[error("{}: unsupported {what} at byte {offset}: {detail}", path.display())]
    Unsupported { path: PathBuf, offset: u64, what: &'static str, detail: String },
    #[error("{what}: {detail}")]
    InvalidInput { what: &'static str, detail: String },
    #[error("cannot {op} {}: {source}", path.display())]
    Io { op: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: locked by {holder}", path.display())]
    Locked { path: PathBuf, holder: String },
    #[error("{}: no more writes until it is opened again, because: {cause}", path.display())]
    Poisoned { path: PathBuf, cause: String },
    #[error("{}: cannot go on before the background does; it failed: {cause}", path.display())]
    Blocked { path: PathBuf, cause: String },
}

impl Error {
    /// `what` at byte `offset` of `path` should have been `expected` and is `found`.
    pub fn corruption(
        path: impl Into<PathBuf>,
        offset: u64,
        what: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Error {
        Error(Box::new(Inner::Corruption {
            path: path.into(),
            offset,
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }))
    }

    /// `what` at byte `offset` of `path` cannot be read by this build, because of `detail`.
    pub fn unsupported(
        path: impl Into<PathBuf>,
        offset: u64,
        what: &'static str,
        detail: impl fmt::Display,
    ) -> Error {
        let detail = detail.to_string();
        Error(Box::new(Inner::Unsupported { path: path.into(), offset, what, detail }))
    }

    /// The caller's `what` is refused, because of `detail`.
    pub fn invalid_input(what: &'static str, detail: impl fmt::Display) -> Error {
        Error(Box::new(Inner::InvalidInput { what, detail: detail.to_string() }))
    }

    /// The system call that would `op` the file at `path` failed.
    pub fn io(op: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Error {
        Error(Box::new(Inner::Io { op, path: path.into(), source }))
    }

    /// The lock at `path` is taken by the process whose id is `holder`; empty if not known.
    pub fn locked(path: impl Into<PathBuf>, holder: &str) -> Error {
        let holder = match holder {
            "" => "another process".into(),
            id => format!("process {id}"),
        };
        Error(Box::new(Inner::Locked { path: path.into(), holder }))
    }

    /// The database at `path` takes no more writes because of `cause`.
    pub fn poisoned(path: impl Into<PathBuf>, cause: impl fmt::Display) -> Error {
        Error(Box::new(Inner::Poisoned { path: path.into(), cause: cause.to_string() }))
    }

    /// The background of the database at `path` failed because of `cause`, and tries again.
    pub fn blocked(path: impl Into<PathBuf>, cause: impl fmt::Display) -> Error {
        Error(Box::new(Inner::Blocked { path: path.into(), cause: cause.to_string() }))
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match *self.0 {
            Inner::Corruption { .. } => ErrorKind::Corruption,
            Inner::Unsupported { .. } => ErrorKind::Unsupported,
            Inner::InvalidInput { .. } => ErrorKind::InvalidInput,
            Inner::Io { .. } | Inner::Blocked { .. } => ErrorKind::Io,
            Inner::Locked { .. } => ErrorKind::Locked,
            Inner::Poisoned { .. } => ErrorKind::Poisoned,
        }
    }

    /// The file concerned, where one is.
    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Inner::Corruption { path, .. }
            | Inner::Unsupported { path, .. }
            | Inner::Io { path, .. }
            | Inner::Locked { path, .. }
            | Inner::Poisoned { path, .. }
            | Inner::Blocked { path, .. } => Some(path),
            Inner::InvalidInput { .. } => None,
        }
    }

    /// The offset in bytes within [`Error::path`], where one is known.
    pub fn offset(&self) -> Option<u64> {
        match *self.0 {
            Inner::Corruption { offset, .. } | Inner::Unsupported { offset, .. } => Some(offset),
            _ => None,
        }
    }

    /// The operating system's own error, where that is the cause.
    pub fn io_error(&self) -> Option<&io::Error> {
        match &*self.0 {
            Inner::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.io_error().map(|e| e as _)
    }
}
