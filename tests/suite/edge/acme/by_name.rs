//! `--acme-challenge tls-alpn` and `http`: a certificate for each name that an open tunnel holds. The certificate authority
//! comes to the relay's own listeners for its proofs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use gantz_shared::control::{FromAgent, FromRelay, Hello, Welcome};
use gantz_shared::wire;
use gantz_tests::{DOMAIN, client, lasting_port, within};
use gantz_transport::control::{ControlReceiver, ControlSender, channel};
use gantz_transport::quic::Dialer;
use gantz_transport::{Connection, Dropped};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::super::raw_agent::{data, head, wanting};
use super::authority::{ChallengeServer, Options, Pebble, local};
use super::{Serving, connect, connector, issuer, start, until};

/// A certificate authority, and a relay that proves names to it.
struct World {
    folder: tempfile::TempDir,
    _dns: ChallengeServer,
    options: Options,
    pebble: Pebble,
    flags: Vec<String>,
    port: u16,
    relay: Serving,
}

impl World {
    async fn new(challenge: &str, life: Option<u64>, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dns = ChallengeServer::start().await;
        let (port, http) = (lasting_port(), lasting_port());
        let options = Options { http_port: http, tls_port: port, ..Options::asking(dns.dns) };
        let options = Options { life: life.unwrap_or(options.life), ..options };
        let pebble = Pebble::start(&options).await;
        let mut flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        flags.extend([format!("--acme-challenge={challenge}"), format!("--http-listen=127.0.0.1:{http}")]);
        let relay = start(folder.path(), &pebble, port, &flags);
        Self { folder, _dns: dns, options, pebble, flags, port, relay }
    }

    /// Ends the relay as a power cut does, and starts it again.
    async fn restart(&mut self) {
        self.relay.child.kill().await.unwrap();
        self.relay = start(self.folder.path(), &self.pebble, self.port, &self.flags);
    }

    /// Who trusts the certificate authority, as soon as the relay's own certificate is there.
    async fn callers(&mut self) -> TlsConnector {
        let issuer = self.issuer().await;
        let callers = connector(&issuer);
        within("the relay's own certificate", async {
            loop {
                let tcp = TcpStream::connect(self.relay.address).await.unwrap();
                if callers.connect(ServerName::try_from(DOMAIN).unwrap(), tcp).await.is_ok() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        callers
    }

    async fn issuer(&self) -> String {
        within("a certificate that is kept", async {
            loop {
                match issuer(self.folder.path(), &self.pebble) {
                    Some(issuer) => return issuer,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
        .await
    }

    async fn open(&self, name: &str) -> Tunnel {
        let tunnel = self.greet(wanting(name)).await;
        assert_eq!(tunnel.welcome.name.as_str(), name);
        tunnel
    }

    /// Whoever had a tunnel before a restart has it again.
    async fn open_again(&self, before: &Welcome) -> Tunnel {
        self.greet(Hello { resume: Some(before.resume.clone()), ..wanting(before.name.as_str()) }).await
    }

    async fn greet(&self, hello: Hello) -> Tunnel {
        let dialer = Dialer::new(self.relay.address).unwrap();
        let tls = client::trusting(&self.issuer().await, &[]);
        let connection = dialer.connect(self.relay.address, DOMAIN, tls).await.expect("QUIC");
        let (mut sender, mut receiver) = channel(connection.open(Dropped::CONTROL).await.unwrap());
        sender.send(&FromAgent::Hello(hello)).await.unwrap();
        let Some(FromRelay::Welcome(welcome)) = within("welcome", receiver.receive()).await.unwrap() else {
            panic!("no welcome")
        };
        Tunnel { connection, welcome, _control: (sender, receiver), _dialer: dialer }
    }

    /// The certificates of names on the disk.
    fn kept(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join(format!("state/acme/127.0.0.1-{}-dir/names", self.pebble.port));
        let mut kept: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        kept.sort();
        kept
    }

    /// Whether somebody who trusts the certificate authority gets through a handshake for `host`.
    async fn greets(&self, callers: &TlsConnector, host: &str) -> bool {
        let tcp = TcpStream::connect(self.relay.address).await.unwrap();
        within("the end of a handshake", callers.connect(ServerName::try_from(host.to_owned()).unwrap(), tcp))
            .await
            .is_ok()
    }
}

/// A tunnel whose agent's end is the test.
struct Tunnel {
    connection: Connection,
    welcome: Welcome,
    _control: (ControlSender, ControlReceiver),
    _dialer: Dialer,
}

/// Answers everything with `mine`.
async fn answer_all(connection: Connection) {
    while let Ok((mut send, _recv)) = connection.accept(Dropped::UPSTREAM).await {
        let mut bytes = BytesMut::from(&head(200, &[])[..]);
        bytes.extend_from_slice(&data("mine"));
        wire::end(&mut bytes);
        send.write(&mut [bytes.freeze()]).await.unwrap();
        send.finish().unwrap();
    }
}

/// Calls, and gives the certificate that was shown.
async fn call(callers: &TlsConnector, relay: std::net::SocketAddr, host: &str) -> CertificateDer<'static> {
    let mut stream = connect(callers, relay, host).await;
    let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    until(&mut stream, "mine").await;
    leaf
}

fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    verify_server_name(&ParsedCertificate::try_from(certificate).unwrap(), &name).is_ok()
}

/// What the HTTP listener says.
async fn over_http(port: u16, host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(local(port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

async fn first_calls(challenge: &str) {
    let mut world = World::new(challenge, None, &[]).await;
    let callers = world.callers().await;
    let mut opened = Vec::new();
    for (number, name) in ["first-of-all", "second-of-all"].into_iter().enumerate() {
        let tunnel = world.open(name).await;
        let host = format!("{name}.{DOMAIN}");
        let serving = tokio::spawn(answer_all(tunnel.connection.clone()));
        let shown = call(&callers, world.relay.address, &host).await;
        assert!(is_for(&shown, &host) && !is_for(&shown, DOMAIN) && !is_for(&shown, &format!("other.{DOMAIN}")));
        assert_eq!(world.kept().len(), number + 1);
        serving.abort();
        opened.push(tunnel.welcome);
    }
    for path in world.kept() {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }

    // Whoever invents a name gets nothing, and has nothing ordered.
    assert!(!world.greets(&callers, &format!("nobody-has-it.{DOMAIN}")).await);
    assert!(!world.greets(&callers, &format!("a.first-of-all.{DOMAIN}")).await);
    // Nor does whoever asks for a proof that nobody has asked for.
    let authority = client::trusting(&world.issuer().await, &[b"acme-tls/1"]);
    for host in [DOMAIN.to_owned(), format!("first-of-all.{DOMAIN}"), format!("nobody-has-it.{DOMAIN}")] {
        assert!(!world.greets(&TlsConnector::from(Arc::new(authority.clone())), &host).await, "{host}");
        let answer = over_http(world.options.http_port, &host, "/.well-known/acme-challenge/token").await;
        assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    }
    assert_eq!(world.kept().len(), 2);

    // What is kept is shown at once, before its agent is back and without asking anybody.
    let own = world.pebble.own.clone();
    let first = std::fs::read(&world.kept()[0]).unwrap();
    let blind = Options { blocked: vec![DOMAIN.to_owned()], ..world.options.clone() };
    let port = world.pebble.port;
    drop(world.pebble);
    world.pebble = Pebble::start_as(&blind, own).await;
    assert_eq!(world.pebble.port, port);
    world.restart().await;
    world.relay.says("relay serves").await;
    assert!(world.greets(&callers, &format!("first-of-all.{DOMAIN}")).await);
    let tunnel = world.open_again(&opened[0]).await;
    let serving = tokio::spawn(answer_all(tunnel.connection.clone()));
    call(&callers, world.relay.address, &format!("first-of-all.{DOMAIN}")).await;
    serving.abort();
    assert_eq!(std::fs::read(&world.kept()[0]).unwrap(), first);
}

#[tokio::test]
async fn a_first_call_waits_for_the_certificate_of_its_name_in_handshakes() {
    first_calls("tls-alpn").await;
}

#[tokio::test]
async fn a_first_call_waits_for_the_certificate_of_its_name_over_http() {
    first_calls("http").await;
}

#[tokio::test]
async fn over_the_limit_of_a_week_tunnels_open_and_nobody_can_call_them() {
    let mut world = World::new("tls-alpn", None, &["--acme-names-per-week=1"]).await;
    let line = world.relay.says("relay serves").await;
    let callers = world.callers().await;
    let within_limit = world.open("within-limit").await;
    assert!(world.greets(&callers, &format!("within-limit.{DOMAIN}")).await);
    let over = world.open("over-limit").await;
    world.relay.says("no other name gets a certificate").await;
    let _further = world.open("further-over").await;
    for name in ["over-limit", "further-over"] {
        assert!(!world.greets(&callers, &format!("{name}.{DOMAIN}")).await, "{name}");
    }
    assert_eq!(world.kept().len(), 1);
    let audit = world.folder.path().join("state/audit/audit.log");
    within("a line of the audit log", async {
        while !std::fs::read_to_string(&audit).unwrap().contains("certificates_limited") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let told = std::fs::read_to_string(&audit).unwrap();
    assert_eq!(told.matches("certificates_limited").count(), 1, "{told}");
    let ready = over_http(admin(&line), "localhost", "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    assert!(ready.contains("2 open tunnels have no certificate: 1 names have got"), "{ready}");

    // It counts over a restart; what has a certificate has it.
    let before = over.welcome.clone();
    drop((within_limit, over, _further));
    world.restart().await;
    world.relay.says("relay serves").await;
    let _over = world.open_again(&before).await;
    world.relay.says("no other name gets a certificate").await;
    assert!(!world.greets(&callers, &format!("over-limit.{DOMAIN}")).await);
    assert!(world.greets(&callers, &format!("within-limit.{DOMAIN}")).await);
}

/// The operator's port, as the log has it.
fn admin(line: &str) -> u16 {
    let (_, rest) = line.split_once("admin=").unwrap();
    let digits = rest.split(':').nth(1).unwrap();
    digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[tokio::test]
async fn a_names_certificate_is_replaced_under_load_without_a_failure() {
    let mut world = World::new("tls-alpn", Some(30), &[]).await;
    let callers = world.callers().await;
    let tunnel = world.open("always-there").await;
    let host = format!("always-there.{DOMAIN}");
    let mut caller = connect(&callers, world.relay.address, &host).await;
    caller.write_all(format!("GET /sse HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let (mut stream, _recv) = within("the request", tunnel.connection.accept(Dropped::UPSTREAM)).await.unwrap();
    stream.write(&mut [head(200, &[("content-type", "text/event-stream")]), data("data: before\n\n")]).await.unwrap();
    until(&mut caller, "data: before\n\n").await;

    let done = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    tasks.spawn(answer_all(tunnel.connection.clone()));
    let (address, counted, load) = (world.relay.address, done.clone(), callers.clone());
    let load_host = host.clone();
    tasks.spawn(async move {
        loop {
            call(&load, address, &load_host).await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let kept = world.kept();
    let mut old = std::fs::read(&kept[0]).unwrap();
    // The second one is gone before the third one is there: the first would not have done until now.
    for _ in 0..2 {
        let path: &Path = &kept[0];
        old = within("another certificate", async {
            loop {
                let new = std::fs::read(path).unwrap();
                if new != old {
                    return new;
                }
                assert!(tasks.try_join_next().is_none(), "a request has failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
    stream.write(&mut [data("data: after\n\n")]).await.unwrap();
    until(&mut caller, "data: after\n\n").await;
    let before = done.load(Ordering::Relaxed);
    within("more of the load", async {
        while done.load(Ordering::Relaxed) < before + 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(tasks.try_join_next().is_none(), "a request has failed");
}
