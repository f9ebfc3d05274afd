//! Histories that once broke a promise; each file says what it was. `ESKER_SIM_CASE` plays one
//! file and prints its calls.

use esker_sim::engine::EngineOpener;
use esker_sim::harness::run::{Broken, run};
use esker_sim::harness::script::Script;
use std::path::Path;

fn play(path: &Path, traced: bool) -> Result<(), Broken> {
    let text = std::fs::read_to_string(path).unwrap();
    let script = Script::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    run(&EngineOpener, &script, traced).map(drop)
}

#[test]
fn kept_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if let Err(broken) = play(&path, false) {
            panic!("{}: {broken}", path.display());
        }
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn one_case() {
    let Ok(path) = std::env::var("ESKER_SIM_CASE") else { return };
    match play(Path::new(&path), true) {
        Ok(()) => println!("{path} passes"),
        Err(broken) => panic!("{}\n{}", broken.trace.join("\n"), broken.message),
    }
}
