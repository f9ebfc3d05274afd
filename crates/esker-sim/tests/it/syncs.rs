//! Every sync of the engine is needed: without any one of them the harness finds a loss.

use esker::Result;
use esker_sim::engine::EngineOpener;
use esker_sim::harness::generate;
use esker_sim::harness::run::run;
use esker_sim::harness::store::{Opener, Store};
use esker_sim::{Calls, Failure, OpKind, Rule, SimVfs};

/// A sync: its kind, what its path contains, and the call before it where that tells it apart.
type Site = (OpKind, &'static str, Option<(OpKind, &'static str)>);

/// All places where the engine syncs.
const SITES: &[Site] = &[
    (OpKind::Sync, ".log", None),
    (OpKind::Sync, ".sstable", None),
    (OpKind::Sync, "MANIFEST", None),
    (OpKind::Sync, "CURRENT", None),
    (OpKind::SyncDirectory, "/store/db", Some((OpKind::Rename, ".sstable"))),
    (OpKind::SyncDirectory, "/store/db", Some((OpKind::Rename, "CURRENT"))),
    (OpKind::SyncDirectory, "/store/db", Some((OpKind::Sync, "MANIFEST"))),
    (OpKind::SyncDirectory, "/store/db", Some((OpKind::Write, ".log"))),
    (OpKind::SyncDirectory, "/store/db", Some((OpKind::Sync, ".log"))),
    (OpKind::SyncDirectory, "/store", Some((OpKind::CreateDirectory, ""))),
];

/// An engine that forgets one of its syncs.
struct Forgetful(Site);

impl Opener for Forgetful {
    fn open(&self, vfs: &SimVfs, variant: u64) -> Result<Box<dyn Store>> {
        let (kind, path, after) = self.0;
        let mut rule = Rule::new(Calls::From(1), Failure::Skipped).of(kind).at(path);
        if let Some((kind, path)) = after {
            rule = rule.after(kind, path);
        }
        vfs.fail(rule);
        EngineOpener.open(vfs, variant)
    }
}

#[test]
fn every_sync_is_needed() {
    let mut missed = Vec::new();
    for site in SITES {
        let caught =
            (0..4000).find(|seed| run(&Forgetful(*site), &generate::script(*seed), false).is_err());
        println!("{site:?}: seed {caught:?}");
        if caught.is_none() {
            missed.push(site);
        }
    }
    assert!(missed.is_empty(), "nothing is lost without {missed:?}");
}
