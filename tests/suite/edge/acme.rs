//! `--tls acme`: the real relay, with a real certificate authority that asks the relay's own DNS server.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use gantz_shared::control::{FromAgent, FromRelay};
use gantz_tests::{DOMAIN, binaries, client, lasting_port, within};
use gantz_transport::Dropped;
use gantz_transport::control::channel;
use gantz_transport::quic::Dialer;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpStream, UdpSocket};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::raw_agent::{data, head, hello};

#[path = "../../../relay/acme/tests/pebble/authority.rs"]
#[allow(dead_code, reason = "the suite that it belongs to has a use for all of it")]
mod authority;
mod by_name;

use authority::{Options, Pebble, free_port, local};

/// A running relay. Dropped, it is killed.
struct Serving {
    log: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
    child: Child,
}

/// The real relay with this folder, and what it logs.
fn serve(folder: &Path, pebble: &Pebble, dns: SocketAddr) -> Serving {
    start(folder, pebble, lasting_port(), &[format!("--acme-dns-listen={dns}")])
}

fn start(folder: &Path, pebble: &Pebble, port: u16, more: &[String]) -> Serving {
    let ca = folder.join("authority.pem");
    std::fs::write(&ca, pem(&pebble.own.ca)).unwrap();
    let mut child = Command::new(binaries::gantz_relay())
        .args(["serve", "--domain", DOMAIN, "--access", "open", "--tls", "acme", "--admin-listen=127.0.0.1:0"])
        .arg(format!("--listen=127.0.0.1:{port}"))
        .arg(format!("--acme-directory={}", pebble.directory()))
        .arg(format!("--acme-ca={}", ca.display()))
        .args(more)
        .arg("--acme-email=operator@relay.test")
        .arg(format!("--state-dir={}", folder.join("state").display()))
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap()).lines();
    Serving { log, address: local(port), child }
}

impl Serving {
    /// Waits for the next line with `words`, and gives it.
    async fn says(&mut self, words: &str) -> String {
        within(words, async {
            loop {
                let line = self.log.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended before {words:?}"));
                if line.contains(words) {
                    return line;
                }
            }
        })
        .await
    }
}

fn pem(certificate: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(certificate))
}

/// The chain without the leaf, which is who vouches for this certificate and for the next one.
fn issuer(folder: &Path, pebble: &Pebble) -> Option<String> {
    let kept: PathBuf = folder.join(format!("state/acme/127.0.0.1-{}-dir/{DOMAIN}.pem", pebble.port));
    let pem = std::fs::read_to_string(kept).ok()?;
    let (_, issuer) = pem.rsplit_once("-----BEGIN CERTIFICATE-----")?;
    Some(format!("-----BEGIN CERTIFICATE-----{issuer}"))
}

fn connector(issuer: &str) -> TlsConnector {
    let mut config = client::trusting(issuer, &[b"http/1.1"]);
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

async fn connect(connector: &TlsConnector, address: SocketAddr, host: &str) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    within("a handshake", connector.connect(name, tcp)).await.unwrap()
}

async fn until(stream: &mut TlsStream<TcpStream>, marker: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(marker) {
        assert!(within(marker, stream.read_buf(&mut seen)).await.unwrap() > 0, "closed before {marker}");
    }
}

/// What a health check over a connection of its own says.
async fn healthy(connector: &TlsConnector, address: SocketAddr) {
    let mut stream = connect(connector, address, DOMAIN).await;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {DOMAIN}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    until(&mut stream, "\r\n\r\nok\n").await;
}

#[tokio::test]
async fn the_first_certificate_is_issued_and_replaced_under_load_without_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let dns = local(free_port());
    let pebble = Pebble::start(&Options { life: 24, ..Options::asking(dns) }).await;
    let mut relay = serve(folder.path(), &pebble, dns);
    relay.says("there is no certificate yet").await;
    relay.says("relay serves").await;
    relay.says("certificate issued").await;
    let issuer = within("a certificate that is kept", async {
        loop {
            match issuer(folder.path(), &pebble) {
                Some(issuer) => return issuer,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
    .await;
    let callers = connector(&issuer);
    // It is in use a moment after it is on the disk.
    within("a handshake", async {
        loop {
            let tcp = TcpStream::connect(relay.address).await.unwrap();
            if callers.connect(ServerName::try_from(DOMAIN).unwrap(), tcp).await.is_ok() {
                return;
            }
        }
    })
    .await;

    let dialer = Dialer::new(relay.address).unwrap();
    let agent = dialer.connect(relay.address, DOMAIN, client::trusting(&issuer, &[])).await.expect("QUIC, too");
    let (mut sender, mut receiver) = channel(agent.open(Dropped::CONTROL).await.unwrap());
    sender.send(&FromAgent::Hello(hello())).await.unwrap();
    let Some(FromRelay::Welcome(welcome)) = within("welcome", receiver.receive()).await.unwrap() else {
        panic!("no welcome")
    };
    let host = format!("{}.{DOMAIN}", welcome.name);
    let mut caller = connect(&callers, relay.address, &host).await;
    caller.write_all(format!("GET /sse HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let (mut send, _recv) = within("the request", agent.accept(Dropped::UPSTREAM)).await.unwrap();
    send.write(&mut [head(200, &[("content-type", "text/event-stream")]), data("data: before\n\n")]).await.unwrap();
    until(&mut caller, "data: before\n\n").await;

    let done = Arc::new(AtomicU64::new(0));
    let mut load = JoinSet::new();
    let (address, counted, connector) = (relay.address, done.clone(), callers.clone());
    load.spawn(async move {
        loop {
            healthy(&connector, address).await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    // The second one is gone before the third one is there: the first would not have done until now.
    for _ in 0..2 {
        relay.says("certificate issued").await;
    }
    send.write(&mut [data("data: after\n\n")]).await.unwrap();
    until(&mut caller, "data: after\n\n").await;
    let before = done.load(Ordering::Relaxed);
    within("more of the load", async {
        while done.load(Ordering::Relaxed) < before + 10 {
            healthy(&callers, address).await;
        }
    })
    .await;
    assert!(load.try_join_next().is_none(), "a request has failed");
}

#[tokio::test]
async fn a_dns_port_that_is_taken_stops_a_first_start_and_not_a_later_one() {
    let folder = tempfile::tempdir().unwrap();
    let dns = local(free_port());
    let pebble = Pebble::start(&Options::asking(dns)).await;
    let taken = TcpListener::bind(dns).unwrap();
    let mut relay = serve(folder.path(), &pebble, dns);
    let line = relay.says("error: ").await;
    assert!(line.contains(&format!("cannot listen on {dns} (DNS)")), "{line}");
    let line = relay.says("try: ").await;
    assert!(line.contains("--acme-dns-listen"), "{line}");
    assert_eq!(within("its end", relay.child.wait()).await.unwrap().code(), Some(1));

    drop(taken);
    let mut relay = serve(folder.path(), &pebble, dns);
    relay.says("certificate issued").await;
    within("a certificate that is kept", async {
        while issuer(folder.path(), &pebble).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    relay.child.kill().await.unwrap();
    let taken = TcpListener::bind(dns).unwrap();
    let mut relay = serve(folder.path(), &pebble, dns);
    relay.says("somebody else has the DNS server's port").await;
    relay.says("relay serves").await;
    healthy(&connector(&issuer(folder.path(), &pebble).unwrap()), relay.address).await;

    drop(taken);
    let asker = UdpSocket::bind(local(0)).await.unwrap();
    asker.connect(dns).await.unwrap();
    within("an answer of the DNS server", async {
        // A header without a question: told so, with the same number.
        let mut answer = [0; 512];
        loop {
            let asked = asker.send(&[0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await;
            let answered = tokio::time::timeout(Duration::from_millis(200), asker.recv(&mut answer)).await;
            if asked.is_ok() && matches!(answered, Ok(Ok(12..))) {
                assert_eq!(answer[..2], [0, 7]);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
