//! Between engines: `import`, `export`, `diff`.

mod compare;
mod diff;
mod export;
mod import;
mod side;
mod staging;

use crate::args::migrate::Migrate;
use crate::failure::{Failure, Result};
use std::path::{Path, PathBuf};

/// Runs `command`.
pub fn run(command: &Migrate) -> Result<()> {
    match command {
        Migrate::Import(arguments) => import::run(arguments),
        Migrate::Export(arguments) => export::run(arguments),
        Migrate::Diff(arguments) => diff::run(arguments),
    }
}

/// Refuses a `target` that lies in the directory `source`: nothing there may change.
fn refuse_inside(source: &Path, target: &Path) -> Result<()> {
    let failed = |e| Failure::input(format_args!("cannot read {}: {e}", source.display()));
    let source = std::fs::canonicalize(source).map_err(failed)?;
    let absolute = std::path::absolute(target).unwrap_or_else(|_| target.to_path_buf());
    let real = absolute.ancestors().find_map(|path| std::fs::canonicalize(path).ok());
    if real.is_some_and(|path| source.is_dir() && path.starts_with(&source)) {
        let (target, source) = (target.display(), source.display());
        let message = format_args!("{target}: lies in {source}, where nothing may change");
        return Err(Failure::input(message));
    }
    Ok(())
}

/// `path` with `suffix` at the end of its name.
fn with_suffix(path: &Path, suffix: &str) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(Failure::input(format_args!("{}: has no name of its own", path.display())));
    };
    let mut name = name.to_os_string();
    name.push(suffix);
    Ok(path.with_file_name(name))
}
