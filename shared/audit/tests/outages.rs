//! The log on a disk that does not work: traffic goes on, what is lost is told, and the log comes back by itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should fail where it stands"
)]

mod common;

use std::fs;
use std::path::Path;

use common::{Event, lines, logged, lost, numbers, wait_for_log, watch_logs};
use gantz_audit::{Audit, FILE_NAME, Limits};
use tempfile::tempdir;

const FAILS: &str = "cannot be written";
const AGAIN: &str = "is written again";

/// Some fifty lines.
const SMALL: Limits = Limits { file_size: 1 << 20, kept_files: 2, pending: 4 << 10 };

fn write(audit: &Audit, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| audit.write(&Event::Happened { by: 0, number }));
}

/// The number at the end of a log line.
fn told_lost(line: &str) -> u64 {
    let (_, lost) = line.split_once("lost=").unwrap_or_else(|| panic!("{line}"));
    lost.split(' ').next().unwrap().parse().unwrap()
}

/// Puts a file where the folder was, which stops even root.
fn block(folder: &Path) {
    fs::rename(folder, folder.with_extension("away")).unwrap();
    fs::write(folder, "").unwrap();
}

fn unblock(folder: &Path) {
    fs::remove_file(folder).unwrap();
    fs::rename(folder.with_extension("away"), folder).unwrap();
}

#[test]
fn a_short_outage_loses_nothing_and_is_told_once() {
    watch_logs();
    let home = tempdir().unwrap();
    let folder = home.path().join("logs");
    let path = folder.join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, SMALL).unwrap();
    block(&folder);
    write(&audit, 0..1);
    wait_for_log(&path, FAILS);
    write(&audit, 1..10);
    unblock(&folder);
    let again = wait_for_log(&path, AGAIN);
    assert!(again.contains("nothing was lost"), "{again}");
    keeper.close();
    assert_eq!(numbers(&lines(&path), 0), (0..10).collect::<Vec<_>>());
    assert_eq!(logged(&path).len(), 2, "{:?}", logged(&path));
}

#[test]
fn a_long_outage_tells_how_much_is_missing_and_where() {
    watch_logs();
    let home = tempdir().unwrap();
    let folder = home.path().join("logs");
    let path = folder.join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, SMALL).unwrap();
    block(&folder);
    write(&audit, 0..1);
    wait_for_log(&path, FAILS);
    write(&audit, 1..1000);
    unblock(&folder);
    let again = wait_for_log(&path, AGAIN);
    keeper.close();
    let written = lines(&path);
    let kept = numbers(&written, 0);
    assert_eq!(kept, (0..kept.len() as u64).collect::<Vec<_>>(), "the first ones are kept");
    assert!(kept.len() > 10, "{kept:?}");
    assert_eq!(lost(&written), 1000 - kept.len() as u64);
    assert_eq!(told_lost(&again), lost(&written));
    assert_eq!(logged(&path).len(), 2, "{:?}", logged(&path));
}

#[test]
fn the_end_of_the_program_in_an_outage_tells_all_that_is_lost() {
    watch_logs();
    let home = tempdir().unwrap();
    let folder = home.path().join("logs");
    let path = folder.join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, SMALL).unwrap();
    block(&folder);
    write(&audit, 0..1);
    wait_for_log(&path, FAILS);
    write(&audit, 1..1000);
    keeper.close();
    let end = wait_for_log(&path, "to its end");
    assert_eq!(told_lost(&end), 1000, "{end}");
    assert_eq!(logged(&path).len(), 2, "{:?}", logged(&path));
}

#[test]
fn a_file_that_cannot_be_rotated_grows_no_further() {
    watch_logs();
    let home = tempdir().unwrap();
    let path = home.path().join(FILE_NAME);
    let limits = Limits { file_size: 1000, kept_files: 1, ..SMALL };
    let (audit, keeper) = Audit::open(&path, limits).unwrap();
    let obstacle = home.path().join("audit.log.1");
    fs::create_dir(&obstacle).unwrap();
    write(&audit, 0..20);
    wait_for_log(&path, FAILS);
    assert!(path.metadata().unwrap().len() <= limits.file_size);
    fs::remove_dir(&obstacle).unwrap();
    wait_for_log(&path, AGAIN);
    keeper.close();
    assert_eq!(numbers(&lines(&path), 0).last(), Some(&19));
}
