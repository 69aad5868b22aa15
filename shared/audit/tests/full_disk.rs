//! A disk that is really full: a file system of 64 KiB, mounted where only the test's own process sees it.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should fail where it stands"
)]

mod common;
#[path = "../../../tests/src/small_disk.rs"]
#[allow(unreachable_pub, reason = "the tests of the whole product share it")]
mod disk;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::PathBuf;

use common::{Event, lines, logged, lost, numbers, wait_for_log, wait_until, watch_logs};
use disk::fill;
use gantz_audit::{Audit, FILE_NAME, Limits};
use serde_json::Value;

const LIMITS: Limits = Limits { file_size: 1 << 20, kept_files: 2, pending: 8 << 10 };

/// Runs the test `name` again, in a process that has a small disk.
fn small_disk(name: &str) -> Option<PathBuf> {
    let folder = disk::small_disk(name, "size=64k,nr_inodes=8")?;
    watch_logs();
    Some(folder)
}

#[test]
fn traffic_goes_on_and_the_log_comes_back_when_there_is_room() {
    let Some(disk) = small_disk("traffic_goes_on_and_the_log_comes_back_when_there_is_room") else { return };
    let path = disk.join(FILE_NAME);
    let filler = disk.join("filler.0");
    let (audit, keeper) = Audit::open(&path, LIMITS).unwrap();
    audit.write(&Event::Happened { by: 0, number: 0 });
    // The first page is the log's; it fills it up while there is no other.
    wait_until("the first line", || path.metadata().unwrap().len() > 0);
    fill(&filler);
    let all = 1000;
    (1..all).for_each(|number| audit.write(&Event::Happened { by: 0, number }));
    let fails = wait_for_log(&path, "cannot be written");
    assert!(fails.contains("ERROR") && fails.contains("No space left on device"), "{fails}");
    assert!(!fs::read(&path).unwrap().ends_with(b"\n"), "the disk was full in the middle of a line");
    fs::remove_file(&filler).unwrap();
    wait_for_log(&path, "is written again");
    // Until what waited in memory is written too, the next line may find no room there.
    wait_until("every line or its count", || {
        let text = fs::read_to_string(&path).unwrap();
        let written: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        numbers(&written, 0).len() as u64 + lost(&written) == all
    });
    audit.write(&Event::Happened { by: 0, number: all });
    keeper.close();
    let written = lines(&path);
    let kept = numbers(&written, 0);
    assert!(kept.is_sorted() && kept.first() == Some(&0) && kept.last() == Some(&all), "{kept:?}");
    assert!(lost(&written) > 0);
    assert_eq!(kept.len() as u64 + lost(&written), all + 1);
    assert_eq!(logged(&path).len(), 2, "{:?}", logged(&path));
}

#[test]
fn a_program_that_starts_on_a_full_disk_starts() {
    let Some(disk) = small_disk("a_program_that_starts_on_a_full_disk_starts") else { return };
    let path = disk.join(FILE_NAME);
    // No room for a file, not even an empty one.
    let fillers: Vec<_> = (0..)
        .map(|number| disk.join(format!("filler.{number}")))
        .take_while(|filler| match File::create(filler) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::StorageFull => false,
            Err(error) => panic!("{error}"),
        })
        .collect();
    let (audit, keeper) = Audit::open(&path, LIMITS).unwrap();
    audit.write(&Event::Happened { by: 0, number: 0 });
    wait_for_log(&path, "cannot be written");
    for filler in fillers {
        fs::remove_file(filler).unwrap();
    }
    wait_for_log(&path, "is written again");
    keeper.close();
    assert_eq!(numbers(&lines(&path), 0), [0]);
}
