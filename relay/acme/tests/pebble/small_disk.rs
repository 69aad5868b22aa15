//! A disk that is really full.

use std::fs;

use crate::authority::{Options, Pebble};
use crate::keeper::{Dns, Running, files, leaf};

#[path = "../../../../tests/src/small_disk.rs"]
#[allow(unreachable_pub, reason = "the tests of the whole product share it")]
mod disk;

#[test]
fn nothing_is_ordered_while_the_disk_is_full_and_the_old_certificate_stays() {
    let name = "small_disk::nothing_is_ordered_while_the_disk_is_full_and_the_old_certificate_stays";
    let Some(disk) = disk::small_disk(name, "size=512k") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dns = Dns::start().await;
        let pebble = Pebble::start(&Options { life: 6, ..Options::asking(dns.address) }).await;
        let mut running = Running::with(&disk, &pebble, &dns);
        let old = running.certificate().await;
        let asked = dns.values.asked();
        let filler = disk.join("filler");
        disk::fill(&filler);
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
