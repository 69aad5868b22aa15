//! A relay that is not there, is not the right one, or does not open the tunnel.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantz_tests::echo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;

use crate::screens::assert_screen;
use crate::{RelayProcess, gantz};

/// The handshake's deadline is 10 s; the rest is for a machine that is busy.
const DEADLINE: std::ops::Range<Duration> = Duration::from_secs(10)..Duration::from_secs(25);

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    assert_screen!("relay_unresolved", gantz("run --auth 8090 --relay relay.invalid").screen(4).await);
}

#[tokio::test]
async fn a_relay_that_does_not_answer_is_given_up_after_its_deadline() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port_of_nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let run = |relay| {
        // The CA is never asked for; a machine without any has to come as far.
        let CertifiedKey { cert, .. } = generate_simple_self_signed(vec!["relay.test".into()]).unwrap();
        gantz(&format!("run --auth 8090 --relay-ca ca.pem --relay {relay}")).file("ca.pem", &cert.pem()).screen(4)
    };
    let begun = Instant::now();
    let (first, second) = tokio::join!(run(silent.local_addr().unwrap()), run(port_of_nobody));
    let took = begun.elapsed();
    assert!(DEADLINE.contains(&took), "{took:?}");
    assert_screen!("relay_silent", first);
    assert_screen!("relay_nobody", second);
}

#[tokio::test]
async fn a_relay_whose_certificate_is_not_believed() {
    let relay = RelayProcess::start().await;
    let CertifiedKey { cert, .. } = generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let untrusted = gantz(&format!("run --auth 8090 --relay-ca other.pem --relay 127.0.0.1:{}", relay.port))
        .file("other.pem", &cert.pem());
    assert_screen!("relay_untrusted", untrusted.screen(4).await);
}

#[tokio::test]
async fn a_relay_of_another_protocol_version() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()))
        .unwrap();
    tls.alpn_protocols = vec![b"gantz/99".to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let server = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = server.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        while let Some(incoming) = server.accept().await {
            let refused = incoming.await;
            assert!(refused.is_err(), "an agent of another version was let in");
        }
    });
    let newer = gantz(&format!("run --auth 8090 --relay-ca ca.pem --relay {address}")).file("ca.pem", &cert.pem());
    assert_screen!("relay_of_another_version", newer.screen(3).await);
    assert!(!accepting.is_finished(), "the server failed");
    accepting.abort();
}

#[tokio::test]
async fn a_name_that_is_taken() {
    let relay = RelayProcess::start().await;
    let server = echo();
    let mut first = relay.run(&format!("{} --auth --name=tools", server.address())).start();
    first.stdout.line("Auth Token:").await;
    let second = relay.run("8090 --auth --name=tools").end().await;
    assert_eq!(second.code(), Some(3), "{second}");
    assert_screen!("name_taken", second);
}
