//! `/readyz`: ready, and each way of not being so.

use std::time::Duration;

use gantz_relay::{Access, AcmeConfig, AcmeProof, Relay, TlsConfig};
use gantz_tests::{DOMAIN, relay, within};
use rcgen::{CertificateParams, KeyPair};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpStream;

use crate::events::never_ending;
use crate::scrape::{client, ready, scrape};

/// Asks until it is ready, or is not.
async fn until(relay: &Relay, is_ready: bool) -> Value {
    let told = async {
        loop {
            let (status, said) = ready(relay).await;
            assert_eq!(said["ready"], status == StatusCode::OK);
            if said["ready"] == is_ready {
                return said;
            }
        }
    };
    within("a change", told).await
}

/// A relay with a database, in a folder of its own.
fn with_keys() -> (Relay, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let relay = relay().relay_config(|config| {
        config.access = Access::Keys;
        config.state_dir = Some(folder.path().to_owned());
    });
    (relay.start_relay(), folder)
}

#[tokio::test]
async fn a_relay_that_serves_is_ready_and_says_why() {
    let (relay, _folder) = with_keys();
    let said = until(&relay, true).await;
    let listeners = json!({ "ok": true, "admin": "open", "agents": "open", "http": "open", "public": "open" });
    assert_eq!(said["checks"]["listeners"], listeners);
    assert_eq!(said["checks"]["store"], json!({ "ok": true }));
    assert_eq!(said["checks"]["certificate"]["ok"], true);
    assert!(said["checks"]["certificate"]["expires_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(said["draining"], false);
}

#[tokio::test]
async fn without_a_certificate_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let acme = AcmeConfig {
        // Nobody is there.
        directory: "https://127.0.0.1:9/dir".into(),
        email: None,
        ca: None,
        proof: AcmeProof::Dns { listen: ([127, 0, 0, 1], gantz_tests::lasting_port()).into(), zone: None },
    };
    let relay = relay()
        .relay_config(|config| {
            config.tls = TlsConfig::Acme(acme);
            config.state_dir = Some(folder.path().to_owned());
        })
        .start_relay();
    let said = until(&relay, false).await;
    assert_eq!(said["checks"]["certificate"], json!({ "ok": false, "reason": "there is no certificate yet" }));
    // What is tried and fails is counted.
    let failed = async {
        while scrape(&relay).await.get("gantz_certificate_renewal_failures_total") < 1.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("a failure", failed).await;
    assert!(!scrape(&relay).await.text.contains("\ngantz_certificate_expiry_timestamp_seconds "));
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_told_and_one_that_has_expired_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![DOMAIN.to_owned(), format!("*.{DOMAIN}")]).unwrap();
    params.not_before = OffsetDateTime::now_utc() - time::Duration::days(1);
    params.not_after = OffsetDateTime::now_utc() + time::Duration::seconds(4);
    std::fs::write(&cert, params.self_signed(&pair).unwrap().pem()).unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    let relay = relay().relay_config(|config| config.tls = TlsConfig::Files { cert, key }).start_relay();
    let said = until(&relay, true).await;
    assert_eq!(said["checks"]["certificate"]["warning"], "the certificate expires in 0 days");
    let expiry = scrape(&relay).await.get("gantz_certificate_expiry_timestamp_seconds");
    assert_eq!(expiry, params.not_after.unix_timestamp() as f64);
    let said = until(&relay, false).await;
    assert_eq!(said["checks"]["certificate"]["reason"], "the certificate has expired");
}

#[tokio::test]
async fn a_database_that_takes_no_write_is_told_and_comes_back() {
    let (relay, folder) = with_keys();
    until(&relay, true).await;
    let other = rusqlite::Connection::open(folder.path().join("access.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let said = until(&relay, false).await;
    let reason = said["checks"]["store"]["reason"].as_str().unwrap();
    assert!(reason.contains("database is locked"), "{reason}");
    other.execute_batch("ROLLBACK").unwrap();
    until(&relay, true).await;
}

#[tokio::test]
async fn a_relay_that_stops_is_not_ready_at_once_and_answers_to_the_end() {
    let world = relay().server(never_ending()).start().await;
    let call = world.get("/events").bearer_auth(&world.token);
    let mut answer = within("the head", call.send()).await.unwrap();
    within("a piece", answer.chunk()).await.unwrap().unwrap();
    let admin = world.relay.admin_addr().unwrap();
    let shutdown = tokio::spawn(world.relay.shutdown());
    let client = client();
    let draining = async {
        loop {
            let answer = client.get(format!("http://{admin}/readyz")).send().await.unwrap();
            let (status, said) = (answer.status(), answer.json::<Value>().await.unwrap());
            if said["draining"] == true {
                return (status, said);
            }
        }
    };
    let (status, said) = within("the news", draining).await;
    assert_eq!((status, &said["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    let health = client.get(format!("http://{admin}/healthz")).send().await.unwrap();
    assert_eq!(health.text().await.unwrap(), "ok\n", "the process lives");
    assert!(!shutdown.is_finished());
    drop(answer);
    assert!(within("the end", shutdown).await.unwrap(), "everything had finished");
    assert!(TcpStream::connect(admin).await.is_err(), "nobody answers the operator any more");
}
