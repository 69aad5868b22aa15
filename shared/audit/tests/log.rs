//! The log as the programs use it, on a disk that works.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should fail where it stands"
)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use common::{Event, lines, lost, numbers, wait_until};
use gantz_audit::{Audit, FILE_NAME, Limits};
use tempfile::tempdir;

/// Nothing is lost, and nothing rotated away.
const ROOMY: Limits = Limits { file_size: 64 << 10, kept_files: 1000, pending: 64 << 20 };

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn write_one(path: &Path, number: u64) {
    let (audit, keeper) = Audit::open(path, Limits::DEFAULT).unwrap();
    audit.write(&Event::Happened { by: 0, number });
    keeper.close();
}

#[test]
fn what_was_written_is_there_after_the_close() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("not/yet/there").join(FILE_NAME);
    for number in 0..3 {
        write_one(&path, number);
    }
    assert_eq!(numbers(&lines(&path), 0), [0, 1, 2]);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&folder.path().join("not")), 0o700);
}

#[test]
fn many_threads_write_whole_lines_in_their_order_over_many_files() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, ROOMY).unwrap();
    thread::scope(|scope| {
        for by in 0..4 {
            let audit = audit.clone();
            scope.spawn(move || (0..2000).for_each(|number| audit.write(&Event::Happened { by, number })));
        }
    });
    keeper.close();
    let written = lines(&path);
    assert_eq!(lost(&written), 0);
    for by in 0..4 {
        assert_eq!(numbers(&written, by), (0..2000).collect::<Vec<_>>());
    }
    assert!(written.is_sorted_by_key(|line| line["time"].as_str().unwrap()));
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        assert!(file.metadata().unwrap().len() <= ROOMY.file_size, "{}", file.display());
        assert_eq!(mode(&file), 0o600);
    }
}

#[test]
fn two_logs_in_one_file_keep_each_others_lines_whole() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    thread::scope(|scope| {
        for by in 0..2 {
            let (audit, keeper) = Audit::open(&path, Limits { file_size: 8 << 10, ..ROOMY }).unwrap();
            scope.spawn(move || {
                (0..2000).for_each(|number| audit.write(&Event::Happened { by, number }));
                keeper.close();
            });
        }
    });
    let written = lines(&path);
    for by in 0..2 {
        let mut numbers = numbers(&written, by);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
    }
}

#[test]
fn only_so_many_files_are_kept() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, Limits { file_size: 1000, kept_files: 2, pending: 1 << 20 }).unwrap();
    (0..500).for_each(|number| audit.write(&Event::Happened { by: 0, number }));
    keeper.close();
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["audit.log", "audit.log.1", "audit.log.2"]);
    let numbers = numbers(&lines(&path), 0);
    let first = numbers[0];
    assert_eq!(numbers, (first..500).collect::<Vec<_>>(), "the youngest ones without a gap");
    assert!(numbers.len() > 20, "{numbers:?}");
}

#[test]
fn a_line_that_is_longer_than_a_file_has_one_to_itself() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, Limits { file_size: 1, kept_files: 9, pending: 1 << 20 }).unwrap();
    (0..3).for_each(|number| audit.write(&Event::Happened { by: 0, number }));
    keeper.close();
    assert_eq!(numbers(&lines(&path), 0), [0, 1, 2]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_line_that_a_crash_tore_does_not_spoil_the_next() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    fs::write(&path, "{\"time\":\"20").unwrap();
    write_one(&path, 7);
    let text = fs::read_to_string(&path).unwrap();
    let (torn, whole) = text.split_once('\n').unwrap();
    assert_eq!(torn, "{\"time\":\"20");
    assert_eq!(serde_json::from_str::<serde_json::Value>(whole).unwrap()["number"], 7);
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    write_one(&path, 0);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_or_folder_that_is_taken_away_is_made_again() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("logs").join(FILE_NAME);
    let moved = folder.path().join("moved.log");
    let (audit, keeper) = Audit::open(&path, Limits::DEFAULT).unwrap();
    fs::rename(&path, &moved).unwrap();
    audit.write(&Event::Happened { by: 0, number: 1 });
    wait_until("a file", || path.exists());
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    audit.write(&Event::Happened { by: 0, number: 2 });
    keeper.close();
    assert_eq!(fs::read_to_string(&moved).unwrap(), "");
    assert_eq!(numbers(&lines(&path), 0).last(), Some(&2));
}

#[test]
fn a_file_that_is_put_in_the_place_of_the_log_is_the_log() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let moved = folder.path().join("moved.log");
    let (audit, keeper) = Audit::open(&path, Limits::DEFAULT).unwrap();
    fs::rename(&path, &moved).unwrap();
    fs::write(&path, "").unwrap();
    audit.write(&Event::Happened { by: 0, number: 1 });
    keeper.close();
    assert_eq!(fs::read_to_string(&moved).unwrap(), "");
    assert!(fs::read_to_string(&path).unwrap().ends_with("\"number\":1}\n"));
}

#[test]
fn a_burst_that_does_not_fit_is_counted() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, Limits { pending: 1000, ..ROOMY }).unwrap();
    (0..20_000).for_each(|number| audit.write(&Event::Happened { by: 0, number }));
    keeper.close();
    let written = lines(&path);
    // Told where they are missing: the number of what comes next is the number of all before it.
    let mut expected = 0;
    for line in &written {
        match line["count"].as_u64() {
            Some(count) => expected += count,
            None => {
                assert_eq!(line["number"], expected);
                expected += 1;
            }
        }
    }
    assert_eq!(expected, 20_000);
    assert!(lost(&written) > 0, "it all fitted");
}

#[test]
fn what_is_no_event_is_counted_as_lost() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, Limits::DEFAULT).unwrap();
    audit.write(&"not an event");
    keeper.close();
    assert_eq!(lost(&lines(&path)), 1);
}

#[test]
fn after_the_close_and_without_a_log_writing_does_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let (audit, keeper) = Audit::open(&path, Limits::DEFAULT).unwrap();
    assert!(audit.is_on());
    keeper.close();
    audit.write(&Event::Happened { by: 0, number: 0 });
    assert!(lines(&path).is_empty());
    let off = Audit::default();
    assert!(!off.is_on());
    off.write(&Event::Happened { by: 0, number: 0 });
}

#[test]
fn what_cannot_be_a_log_is_refused_with_its_name() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, why) in [
        (folder.path().to_owned(), "not a regular file"),
        (pipe, "not a regular file"),
        (Path::new("/dev/null").to_owned(), "not a regular file"),
        (file.join(FILE_NAME), "Not a directory"),
    ] {
        let error = Audit::open(&path, Limits::DEFAULT).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(path.to_str().unwrap()), "{error}");
    }
}
