//! The first certificate, and the start after it.

use std::os::unix::fs::PermissionsExt;

use crate::authority::{Options, Pebble};
use crate::keeper::{Dns, Running, files, leaf, names};

#[tokio::test]
async fn the_first_certificate_is_for_the_apex_and_everything_under_it_by_the_own_dns_server() {
    let dns = Dns::start().await;
    let pebble = Pebble::start(&Options::asking(dns.address)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::with(folder.path(), &pebble, &dns);
    let certificate = running.certificate().await;
    assert_eq!(names(&certificate), ["DNSName(*.relay.example)", "DNSName(relay.example)"]);
    assert!(certificate.certified_key().cert.len() > 1, "the chain is whole");
    assert!(certificate.is_valid_at(time::OffsetDateTime::now_utc()));
    assert!(dns.values.asked() > 0);
    let state = running.state.borrow().clone();
    assert!(state.trouble.is_none() && state.failures == 0);

    let files = files(folder.path());
    let last = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(files.iter().map(|path| last(path)).collect::<Vec<_>>(), ["account.json", "relay.example.pem"]);
    for path in &files {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn the_next_start_takes_what_is_kept_and_asks_nobody() {
    let dns = Dns::start().await;
    let pebble = Pebble::start(&Options::asking(dns.address)).await;
    let folder = tempfile::tempdir().unwrap();
    let certificate = Running::with(folder.path(), &pebble, &dns).certificate().await;
    let asked = dns.values.asked();
    let again = Running::with(folder.path(), &pebble, &dns);
    let kept = again.state.borrow().certificate.clone().expect("at once");
    assert_eq!(leaf(&kept), leaf(&certificate));
    assert_eq!(dns.values.asked(), asked);
}

#[tokio::test]
async fn an_authority_that_has_lost_its_accounts_gets_a_new_one() {
    let dns = Dns::start().await;
    let options = Options { life: 3, ..Options::asking(dns.address) };
    let first = Pebble::start(&options).await;
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::with(folder.path(), &first, &dns);
    let old = running.certificate().await;
    drop(running);
    let own = first.own.clone();
    drop(first);
    // It keeps everything in memory, and knows nobody now.
    let second = Pebble::start_as(&options, own).await;
    let mut running = Running::with(folder.path(), &second, &dns);
    running.next(&old).await;
    assert!(files(folder.path()).iter().any(|path| path.ends_with("account.json.unused")));
}
