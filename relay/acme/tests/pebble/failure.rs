//! What fails, and that it comes right by itself afterwards.

use std::time::Duration;

use gantz_acme::{Pace, Settings};
use rcgen::{CertificateParams, KeyPair};
use time::OffsetDateTime;

use crate::DOMAIN;
use crate::authority::{ChallengeServer, Options, Own, Pebble, directory, free_port};
use crate::front::Front;
use crate::keeper::{Dns, Running, SOON, files, leaf, settings};

#[tokio::test]
async fn a_delegation_that_does_not_lead_here_is_told_so() {
    let (dns, elsewhere) = (Dns::start().await, ChallengeServer::start().await);
    let pebble = Pebble::start(&Options::asking(elsewhere.dns)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::with(folder.path(), &pebble, &dns);
    let trouble = running.trouble().await;
    assert!(trouble.starts_with("the certificate authority refuses: "), "{trouble}");
    assert!(trouble.contains("relay.example"), "{trouble}");
    assert!(trouble.contains("needs an NS record that leads here"), "{trouble}");
    assert!(running.state.borrow().certificate.is_none());
}

#[tokio::test]
async fn a_refusal_leaves_the_old_certificate_in_use_and_what_was_refused_is_tried_again() {
    let dns = Dns::start().await;
    let options = Options { life: 6, ..Options::asking(dns.address) };
    let pebble = Pebble::start(&options).await;
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::with(folder.path(), &pebble, &dns);
    let old = running.certificate().await;
    let own = pebble.own.clone();
    drop(pebble);
    let blocked = Options { blocked: vec![DOMAIN.into()], ..options.clone() };
    let pebble = Pebble::start_as(&blocked, own.clone()).await;
    let refused = |state: &gantz_acme::State| {
        state.failures > 1 && state.trouble.as_ref().is_some_and(|trouble| trouble.to_string().contains("refuses"))
    };
    let state = running.until("refusals", refused).await;
    assert_eq!(leaf(&state.certificate.unwrap()), leaf(&old));
    let trouble = state.trouble.unwrap().to_string();
    assert!(trouble.contains("rejectedIdentifier"), "{trouble}");
    drop(pebble);
    let _pebble = Pebble::start_as(&options, own).await;
    running.next(&old).await;
    assert_eq!(running.state.borrow().failures, 0);
}

#[tokio::test]
async fn an_authority_that_is_not_there_is_waited_for() {
    let dns = Dns::start().await;
    let own = Own::new();
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(settings(folder.path(), directory(port), own.trust()), dns.responder());
    let trouble = running.trouble().await;
    assert!(trouble.contains("cannot be asked") && trouble.contains("Connection refused"), "{trouble}");
    let _pebble = Pebble::start_as(&Options { port, ..Options::asking(dns.address) }, own).await;
    running.certificate().await;
    assert!(running.until("no trouble", |state| state.trouble.is_none()).await.failures == 0);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_asked() {
    let dns = Dns::start().await;
    let pebble = Pebble::start(&Options::asking(dns.address)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(settings(folder.path(), pebble.directory(), Own::new().trust()), dns.responder());
    let trouble = running.trouble().await;
    assert!(trouble.contains("certificate"), "{trouble}");
    assert!(running.state.borrow().certificate.is_none());
}

#[tokio::test]
async fn who_has_asked_too_often_comes_back_when_it_was_told_to() {
    let dns = Dns::start().await;
    let pebble = Pebble::start(&Options::asking(dns.address)).await;
    let front = Front::start(&pebble).await;
    let wait = Duration::from_secs(3);
    front.turn_away(wait);
    let folder = tempfile::tempdir().unwrap();
    // What is not told to wait would be back much sooner.
    let mut running = Running::start(settings(folder.path(), front.directory(), front.trust()), dns.responder());
    let trouble = running.trouble().await;
    assert_eq!(trouble, "the certificate authority has been asked too often: too many certificates (rateLimited)");
    running.certificate().await;
    let orders = front.orders();
    // Pebble has some orders sent a second time, with another nonce. The field has whole seconds.
    assert!(orders[1] - orders[0] >= wait - Duration::from_secs(1), "{:?}", orders[1] - orders[0]);
}

#[tokio::test]
async fn a_certificate_that_has_expired_at_the_start_is_replaced_at_once() {
    let dns = Dns::start().await;
    let pebble = Pebble::start(&Options::asking(dns.address)).await;
    let folder = tempfile::tempdir().unwrap();
    Running::with(folder.path(), &pebble, &dns).certificate().await;
    let kept = files(folder.path()).into_iter().find(|path| path.extension().is_some_and(|end| end == "pem")).unwrap();
    std::fs::write(&kept, expired()).unwrap();

    let patient = Pace { between: Duration::from_secs(3600), ..SOON };
    let settings = Settings { pace: patient, ..settings(folder.path(), pebble.directory(), pebble.own.trust()) };
    let mut running = Running::start(settings, dns.responder());
    let old = running.state.borrow().certificate.clone().expect("the old one, until there is another");
    assert!(!old.is_valid_at(OffsetDateTime::now_utc()));
    let new = running.next(&old).await;
    assert!(new.is_valid_at(OffsetDateTime::now_utc()));
}

fn expired() -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![DOMAIN.to_owned(), format!("*.{DOMAIN}")]).unwrap();
    params.not_before = OffsetDateTime::now_utc() - time::Duration::days(100);
    params.not_after = OffsetDateTime::now_utc() - time::Duration::days(10);
    let certificate = params.self_signed(&key).unwrap();
    format!("{}{}", key.serialize_pem(), certificate.pem())
}
