//! A disk that is really full: a small file system, mounted where only the test's own process sees it. A file of its own,
//! because crates below this one take it in by its path.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the small file system is, set in the process that has it.
const VARIABLE: &str = "GANTZ_TEST_SMALL_DISK";

/// Runs the test `name` again, in a process that has a small disk of these options of tmpfs. There, it is told where; here
/// there is nothing left to do.
pub fn small_disk(name: &str, options: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE) {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        unshare.arg("--map-root-user");
    }
    let output = unshare
        .args(["sh", "-ec", "mount -t tmpfs -o \"$1\" tmpfs \"$2\"; exec \"$3\" --exact \"$4\"", "sh", options])
        .args([folder.path(), &std::env::current_exe().unwrap(), Path::new(name)])
        .env(VARIABLE, folder.path())
        .output()
        .expect("this test needs unshare, of util-linux");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "this test needs to be root, or to be allowed a user namespace, to mount a file system; or it has failed: {said}"
    );
    None
}

/// Takes all the room there is.
pub fn fill(filler: &Path) {
    let mut file = File::create(filler).unwrap();
    let error = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}
