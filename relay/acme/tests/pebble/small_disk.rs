//! A disk that is really full: a small file system, mounted where only the test's own process sees it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::authority::{Options, Pebble};
use crate::keeper::{Dns, Running, files, leaf};

/// Where the small file system is, set in the process that has it.
const SMALL_DISK: &str = "GANTZ_ACME_SMALL_DISK";

/// Runs the test `name` again, in a process that has a small disk. There, it is told where.
fn small_disk(name: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(SMALL_DISK) {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        unshare.arg("--map-root-user");
    }
    let output = unshare
        .args(["sh", "-ec", "mount -t tmpfs -o size=512k tmpfs \"$1\"; exec \"$2\" --exact \"$3\"", "sh"])
        .args([folder.path(), &std::env::current_exe().unwrap(), Path::new(name)])
        .env(SMALL_DISK, folder.path())
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
fn fill(filler: &Path) {
    let mut file = File::create(filler).unwrap();
    let error = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}

#[test]
fn nothing_is_ordered_while_the_disk_is_full_and_the_old_certificate_stays() {
    let name = "small_disk::nothing_is_ordered_while_the_disk_is_full_and_the_old_certificate_stays";
    let Some(disk) = small_disk(name) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dns = Dns::start().await;
        let pebble = Pebble::start(&Options { life: 6, ..Options::asking(dns.address) }).await;
        let mut running = Running::with(&disk, &pebble, &dns);
        let old = running.certificate().await;
        let asked = dns.values.asked();
        let filler = disk.join("filler");
        fill(&filler);
        let trouble = running.trouble().await;
        assert!(trouble.contains("No space left"), "{trouble}");
        let state = running.until("tries", |state| state.failures > 2).await;
        assert_eq!(leaf(&state.certificate.unwrap()), leaf(&old));
        assert_eq!(dns.values.asked(), asked, "nothing was ordered that could not be kept");
        let left: Vec<_> = files(&disk).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(left, ["account.json", "relay.example.pem", "filler"], "nothing is left of what was tried");

        fs::remove_file(&filler).unwrap();
        let new = running.next(&old).await;
        running.until("no trouble", |state| state.trouble.is_none()).await;
        drop(running);
        let again = Running::with(&disk, &pebble, &dns);
        let kept = again.state.borrow().certificate.clone().unwrap();
        assert_eq!(leaf(&kept), leaf(&new));
    });
}
