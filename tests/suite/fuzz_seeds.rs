//! Replays the fuzz targets' seeds, findings of earlier runs among them, through the targets' own checks: what libFuzzer
//! once found stays found, on machines that have no libFuzzer. See `tests/fuzz/README.md`.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

// A library there, a module here.
#[allow(unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_seed_passes_its_target() {
    for (target, check) in checks::TARGETS {
        let seeds = fs::read_dir(folder("seeds").join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
        let mut count = 0;
        for seed in seeds {
            let path = seed.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            // Its name, should it be the one that panics: a test's output is shown when it fails.
            println!("{target}/{}", path.file_name().unwrap().display());
            check(&bytes);
            // A seed is also the start of worse input.
            for end in 0..bytes.len().min(256) {
                check(&bytes[..end]);
            }
            count += 1;
        }
        assert!(count > 0, "{target} has no seed");
    }
}

#[test]
fn every_target_has_a_check_a_program_and_seeds() {
    let checks: BTreeSet<String> = checks::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("targets")), checks);
    assert_eq!(names(&folder("seeds")), checks);
}
