//! `--tls files`: a certificate that changes under open connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gantz_relay::config::CERTIFICATE_POLL;
use gantz_relay::{Relay, TlsConfig};
use gantz_shared::control::{FromAgent, FromRelay};
use gantz_tests::{DOMAIN, client, relay, within};
use gantz_transport::control::channel;
use gantz_transport::quic::Dialer;
use gantz_transport::{Connection, Dropped};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::raw_agent::{data, head, hello};

/// A self-signed certificate for the domain and everything under it.
struct Pair {
    cert: String,
    key: String,
    der: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let names = vec![DOMAIN.to_owned(), format!("*.{DOMAIN}")];
        let cert = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Self { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
    }
}

/// Puts something bad into the files.
type Spoil<'a> = &'a dyn Fn(&Files);

struct Files {
    _dir: tempfile::TempDir,
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(pair: &Pair) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Self { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem"), _dir: dir };
        files.write(&pair.cert, &pair.key);
        files
    }

    fn write(&self, cert: &str, key: &str) {
        std::fs::write(&self.cert, cert).unwrap();
        std::fs::write(&self.key, key).unwrap();
    }

    fn start(&self) -> Relay {
        let tls = TlsConfig::Files { cert: self.cert.clone(), key: self.key.clone() };
        relay().relay_config(|config| config.tls = tls).start_relay()
    }
}

/// A TLS connection of a caller that trusts all of `pairs`.
async fn connect(relay: &Relay, host: &str, pairs: &[&Pair]) -> TlsStream<TcpStream> {
    let pem: String = pairs.iter().map(|pair| pair.cert.as_str()).collect();
    let tls = TlsConnector::from(Arc::new(client::trusting(&pem, &[b"http/1.1"])));
    let tcp = TcpStream::connect(relay.edge_addr()).await.unwrap();
    within("a handshake", tls.connect(ServerName::try_from(host.to_owned()).unwrap(), tcp)).await.unwrap()
}

/// The certificate that a new connection is shown.
async fn shown(relay: &Relay, pairs: &[&Pair]) -> Vec<u8> {
    let stream = connect(relay, DOMAIN, pairs).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Makes handshakes until one shows `pair`.
async fn until_shown(relay: &Relay, pair: &Pair, pairs: &[&Pair]) {
    within("the new certificate", async {
        while shown(relay, pairs).await != pair.der {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// An agent's connection that trusts `pair` alone, and the host of its tunnel.
async fn tunnel(relay: &Relay, pair: &Pair) -> (Dialer, Connection, String, impl Sized) {
    let dialer = Dialer::new(relay.agent_addr()).unwrap();
    let tls = client::trusting(&pair.cert, &[]);
    let connection = dialer.connect(relay.agent_addr(), DOMAIN, tls).await.unwrap();
    let (mut sender, mut receiver) = channel(connection.open(Dropped::CONTROL).await.unwrap());
    sender.send(&FromAgent::Hello(hello())).await.unwrap();
    let Some(FromRelay::Welcome(welcome)) = within("welcome", receiver.receive()).await.unwrap() else {
        panic!("no welcome")
    };
    (dialer, connection, format!("{}.{DOMAIN}", welcome.name), (sender, receiver))
}

async fn until(stream: &mut TlsStream<TcpStream>, marker: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(marker) {
        assert!(within(marker, stream.read_buf(&mut seen)).await.unwrap() > 0, "closed before {marker}");
    }
}

#[tokio::test]
async fn a_new_certificate_takes_over_and_open_streams_go_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let both = [&old, &new];
    let files = Files::new(&old);
    let relay = files.start();
    let (_dialer, agent, host, _control) = tunnel(&relay, &old).await;
    let mut caller = connect(&relay, &host, &both).await;
    caller.write_all(format!("GET /sse HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let (mut send, _recv) = within("the request", agent.accept(Dropped::UPSTREAM)).await.unwrap();
    send.write(&mut [head(200, &[("content-type", "text/event-stream")]), data("data: before\n\n")]).await.unwrap();
    until(&mut caller, "data: before\n\n").await;

    files.write(&new.cert, &new.key);
    until_shown(&relay, &new, &both).await;
    // The stream of before, its connection and its tunnel.
    send.write(&mut [data("data: after\n\n")]).await.unwrap();
    until(&mut caller, "data: after\n\n").await;
    // Agents are shown the new one as well.
    let (_dialer, _agent, _host, _control) = tunnel(&relay, &new).await;
}

#[tokio::test]
async fn a_bad_new_file_is_refused_and_the_old_one_kept() {
    let (old, other, new) = (Pair::new(), Pair::new(), Pair::new());
    let all = [&old, &other, &new];
    let files = Files::new(&old);
    let relay = files.start();
    let bad: [(&str, Spoil<'_>); 6] = [
        ("garbage", &|files| files.write("garbage", &old.key)),
        ("empty", &|files| files.write("", "")),
        ("half a certificate", &|files| files.write(&new.cert[..new.cert.len() / 2], &new.key)),
        ("a key of another", &|files| files.write(&other.cert, &new.key)),
        ("no key", &|files| files.write(&new.cert, &new.cert)),
        ("no files", &|files| {
            std::fs::remove_file(&files.cert).unwrap();
            std::fs::remove_file(&files.key).unwrap();
        }),
    ];
    for (what, spoil) in bad {
        spoil(&files);
        // Nothing tells that the relay has looked and refused: two of its looks have to pass.
        tokio::time::sleep(CERTIFICATE_POLL * 2).await;
        assert!(shown(&relay, &all).await == old.der, "{what}");
    }
    files.write(&new.cert, &new.key);
    until_shown(&relay, &new, &all).await;
}

#[tokio::test]
async fn files_that_are_bad_at_the_start_are_named() {
    let pair = Pair::new();
    let start = |cert: &Path, key: &Path| {
        let domain = gantz_relay::Domain::parse(DOMAIN).unwrap();
        let tls = TlsConfig::Files { cert: cert.to_owned(), key: key.to_owned() };
        let sockets = gantz_relay::Sockets {
            edge: vec![std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap()],
            agents: gantz_transport::quic::bind(([127, 0, 0, 1], 0).into()).unwrap(),
            http: None,
            admin: None,
        };
        Relay::start(gantz_relay::Config::new(domain, tls), sockets).expect_err("it must not start").to_string()
    };
    let files = Files::new(&pair);
    let missing = files.cert.with_file_name("missing.pem");
    for (error, words) in [
        (start(&missing, &files.key), ["certificate", "missing.pem"]),
        (start(&files.cert, &missing), ["key", "missing.pem"]),
        (start(&files.key, &files.key), ["certificate", "no PEM certificate"]),
        (start(&files.cert, &files.cert), ["key", "cert.pem"]),
    ] {
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    files.write(&pair.cert, &Pair::new().key);
    let error = start(&files.cert, &files.key);
    assert!(error.contains("does not go with its key"), "{error}");
}
