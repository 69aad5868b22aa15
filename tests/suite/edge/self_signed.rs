//! `--tls self-signed`: a CA that stays the same over restarts, in files that only their owner reads.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gantz_relay::Relay;
use gantz_tests::{Builder, Raw, relay};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

fn keeping(dir: &Path) -> Builder {
    relay().relay_config(|config| config.state_dir = Some(dir.to_owned()))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

async fn is_reached(relay: &Relay, name: &str) {
    let mut caller = Raw::connect(relay, name).await;
    caller.send(format!("GET /healthz HTTP/1.1\r\nhost: {name}\r\n\r\n")).await;
    caller.until("\r\n\r\n").await;
}

#[tokio::test]
async fn the_ca_stays_the_same_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let first = keeping(&state).start_relay();
    let (pem, fingerprint) = (first.ca_pem().unwrap().to_owned(), first.ca_fingerprint().unwrap().to_owned());
    assert_eq!(first.ca_path(), Some(state.join("ca.pem").as_path()));
    assert_eq!(std::fs::read_to_string(state.join("ca.pem")).unwrap(), pem);
    let kept: Vec<_> =
        ["ca.key", "ticket.key", "reset.key"].iter().map(|name| std::fs::read(state.join(name)).unwrap()).collect();
    first.shutdown().await;

    let second = keeping(&state).start_relay();
    assert_eq!(second.ca_pem(), Some(pem.as_str()));
    assert_eq!(second.ca_fingerprint(), Some(fingerprint.as_str()));
    assert_eq!(std::fs::read_to_string(state.join("ca.pem")).unwrap(), pem);
    let again: Vec<_> =
        ["ca.key", "ticket.key", "reset.key"].iter().map(|name| std::fs::read(state.join(name)).unwrap()).collect();
    assert_eq!(kept, again);
    // Who trusted the first one's CA reaches the second one, by every name it has.
    for name in ["relay.test", "cool-penguin-000000.relay.test", "localhost"] {
        is_reached(&second, name).await;
    }
}

#[tokio::test]
async fn keys_are_their_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let _relay = keeping(&state).start_relay();
    assert_eq!(mode(&state), 0o700);
    for (name, expected) in [("ca.key", 0o600), ("ticket.key", 0o600), ("reset.key", 0o600), ("ca.pem", 0o644)] {
        assert_eq!(mode(&state.join(name)), expected, "{name}");
    }
    let pem = std::fs::read_to_string(state.join("ca.pem")).unwrap();
    assert!(!pem.contains("PRIVATE KEY"));
    let left: Vec<_> = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[tokio::test]
async fn the_fingerprint_is_that_of_the_certificate() {
    let relay = relay().start_relay();
    let certificate = CertificateDer::from_pem_slice(relay.ca_pem().unwrap().as_bytes()).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
    let mut expected = String::new();
    for byte in digest.as_ref() {
        write!(expected, "{byte:02X}:").unwrap();
    }
    assert_eq!(format!("{}:", relay.ca_fingerprint().unwrap()), expected);
}

#[tokio::test]
async fn two_relays_do_not_share_a_ca() {
    let (one, two) = (relay().start_relay(), relay().start_relay());
    assert_ne!(one.ca_pem(), two.ca_pem());
    assert_ne!(one.ca_fingerprint(), two.ca_fingerprint());
    assert_eq!(one.ca_path(), None);
}

#[tokio::test]
async fn half_a_ca_is_an_error_that_names_the_file() {
    for (missing, there) in [("ca.key", "ca.pem"), ("ca.pem", "ca.key")] {
        let dir = tempfile::tempdir().unwrap();
        drop(keeping(dir.path()).start_relay());
        std::fs::remove_file(dir.path().join(missing)).unwrap();
        let error = start_error(dir.path());
        assert!(error.contains(missing) && error.contains(&format!("remove {there}")), "{error}");
    }
    for (name, bytes) in
        [("ca.pem", &b"garbage"[..]), ("ca.key", b"garbage"), ("ticket.key", b"short"), ("reset.key", b"short")]
    {
        let dir = tempfile::tempdir().unwrap();
        drop(keeping(dir.path()).start_relay());
        std::fs::write(dir.path().join(name), bytes).unwrap();
        let error = start_error(dir.path());
        assert!(error.contains("remove"), "{name}: {error}");
    }
}

/// What a relay says that does not start with this state folder.
fn start_error(dir: &Path) -> String {
    let any = || std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let domain = gantz_relay::Domain::parse(gantz_tests::DOMAIN).unwrap();
    let mut config = gantz_relay::Config::new(domain, gantz_relay::TlsConfig::SelfSigned);
    config.state_dir = Some(dir.to_owned());
    let sockets = gantz_relay::Sockets {
        edge: vec![any()],
        agents: gantz_transport::quic::bind(([127, 0, 0, 1], 0).into()).unwrap(),
        http: None,
        admin: None,
        predecessor: None,
    };
    Relay::start(config, sockets).expect_err("it must not start").to_string()
}
