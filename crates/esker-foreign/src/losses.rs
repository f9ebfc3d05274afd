//! What is left out where loss is accepted: each with its place, told once.

use esker::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Most losses that are told.
const TOLD_MAX: usize = 10_000;

/// Something that was damaged and left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The file.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong there: the error, where loss is not accepted.
    pub cause: String,
    /// What is missing for it.
    pub what: String,
}

impl Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; left out: {}", self.cause, self.what)
    }
}

/// A list of losses that readers share; none where no loss is accepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(Option<Arc<Mutex<List>>>);

#[derive(Debug, Default)]
struct List {
    told: BTreeMap<(PathBuf, u64), Loss>,
}

impl Losses {
    /// A list that takes losses if they are accepted.
    pub(crate) fn new(is_accepted: bool) -> Losses {
        Losses(is_accepted.then(Arc::default))
    }

    /// Whether losses are accepted.
    pub(crate) fn are_accepted(&self) -> bool {
        self.0.is_some()
    }

    /// Takes `error` as the loss of what stands at `at` of `path`: of `what`.
    ///
    /// # Errors
    /// `error` itself where no loss is accepted, and where it is no damage.
    pub(crate) fn accept(
        &self,
        path: &Path,
        at: u64,
        error: Error,
        what: impl Display,
    ) -> Result<()> {
        let Some(list) = self.0.as_ref().filter(|_| error.kind() == ErrorKind::Corruption) else {
            return Err(error);
        };
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.told.len() < TOLD_MAX {
            let path = path.to_path_buf();
            let (cause, what) = (error.to_string(), what.to_string());
            let loss = Loss { path: path.clone(), offset: at, cause, what };
            list.told.insert((path, at), loss);
        }
        Ok(())
    }

    /// Every loss so far, by file and offset; the first [`TOLD_MAX`] that were met.
    pub(crate) fn list(&self) -> Vec<Loss> {
        let Some(list) = &self.0 else { return Vec::new() };
        list.lock().unwrap_or_else(PoisonError::into_inner).told.values().cloned().collect()
    }
}
