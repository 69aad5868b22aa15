//! `--tls files`: a certificate that changes under open connections.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use gantz_relay::{Relay, TlsConfig};
use gantz_shared::control::{FromAgent, FromRelay};
use gantz_tests::{DOMAIN, binaries, client, lasting_port, within};
use gantz_transport::control::channel;
use gantz_transport::quic::Dialer;
use gantz_transport::{Connection, Dropped};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::raw_agent::{data, head, hello};

/// A self-signed certificate.
struct Pair {
    cert: String,
    key: String,
    der: Vec<u8>,
}

impl Pair {
    /// For the domain and everything under it, for ever.
    fn new() -> Self {
        Self::with(&[DOMAIN, &format!("*.{DOMAIN}")], |_| {})
    }

    fn with(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let cert = params.self_signed(&key).unwrap();
        Self { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
    }

    /// For the right names, and valid from then to then.
    fn valid(from: OffsetDateTime, to: OffsetDateTime) -> Self {
        Self::with(&[DOMAIN, &format!("*.{DOMAIN}")], |params| {
            params.not_before = from;
            params.not_after = to;
        })
    }
}

/// Puts something bad into the files.
type Spoil<'a> = &'a dyn Fn(&Files);

struct Files {
    dir: tempfile::TempDir,
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(pair: &Pair) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Self { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem"), dir };
        files.write(&pair.cert, &pair.key);
        files
    }

    /// Each file at once and whole, as what renews certificates does it.
    fn write(&self, cert: &str, key: &str) {
        for (path, text) in [(&self.cert, cert), (&self.key, key)] {
            let new = path.with_extension("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, path).unwrap();
        }
    }

    /// The real relay with these files, and what it logs.
    async fn serve(&self) -> Serving {
        let port = lasting_port();
        let mut child = Command::new(binaries::gantz_relay())
            .args(["serve", "--domain", DOMAIN, "--access", "open", "--tls", "files", "--admin-listen=127.0.0.1:0"])
            .arg(format!("--listen=127.0.0.1:{port}"))
            .arg(format!("--tls-cert={}", self.cert.display()))
            .arg(format!("--tls-key={}", self.key.display()))
            .arg(format!("--state-dir={}", self.dir.path().join("state").display()))
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut serving = Serving { log, address: ([127, 0, 0, 1], port).into(), _child: child };
        serving.says("relay serves").await;
        serving
    }
}

/// A running relay. Dropped, it is killed.
struct Serving {
    log: Lines<BufReader<ChildStderr>>,
    /// Of the edge and, over UDP, of agents.
    address: SocketAddr,
    _child: Child,
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

/// A TLS connection of a caller that trusts all of `pairs`.
async fn connect(relay: &Serving, host: &str, pairs: &[&Pair]) -> TlsStream<TcpStream> {
    let pem: String = pairs.iter().map(|pair| pair.cert.as_str()).collect();
    let tls = TlsConnector::from(Arc::new(client::trusting(&pem, &[b"http/1.1"])));
    let tcp = TcpStream::connect(relay.address).await.unwrap();
    within("a handshake", tls.connect(ServerName::try_from(host.to_owned()).unwrap(), tcp)).await.unwrap()
}

/// The certificate that a new connection is shown.
async fn shown(relay: &Serving, pairs: &[&Pair]) -> Vec<u8> {
    let stream = connect(relay, DOMAIN, pairs).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// An agent's connection that trusts `pair` alone, and the host of its tunnel.
async fn tunnel(relay: &Serving, pair: &Pair) -> (Dialer, Connection, String, impl Sized + use<>) {
    let dialer = Dialer::new(relay.address).unwrap();
    let tls = client::trusting(&pair.cert, &[]);
    let connection = dialer.connect(relay.address, DOMAIN, tls).await.unwrap();
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
    let mut relay = files.serve().await;
    let (_dialer, agent, host, _control) = tunnel(&relay, &old).await;
    let mut caller = connect(&relay, &host, &both).await;
    caller.write_all(format!("GET /sse HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let (mut send, _recv) = within("the request", agent.accept(Dropped::UPSTREAM)).await.unwrap();
    send.write(&mut [head(200, &[("content-type", "text/event-stream")]), data("data: before\n\n")]).await.unwrap();
    until(&mut caller, "data: before\n\n").await;

    files.write(&new.cert, &new.key);
    relay.says("certificate reloaded").await;
    assert!(shown(&relay, &both).await == new.der);
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
    let mut relay = files.serve().await;
    let apex = Pair::with(&[DOMAIN], |_| {});
    let now = OffsetDateTime::now_utc();
    let expired = Pair::valid(now - Duration::days(2), now - Duration::days(1));
    let early = Pair::valid(now + Duration::days(1), now + Duration::days(2));
    let bad: [(&str, Spoil<'_>); 9] = [
        ("no PEM certificate", &|files| files.write("garbage", &old.key)),
        ("no PEM certificate", &|files| files.write("", "")),
        ("section end", &|files| files.write(&new.cert[..new.cert.len() / 2], &new.key)),
        ("does not go with its key", &|files| files.write(&other.cert, &new.key)),
        ("key.pem: ", &|files| files.write(&new.cert, &new.cert)),
        ("does not cover *.relay.test, only relay.test", &|files| files.write(&apex.cert, &apex.key)),
        ("expired on", &|files| files.write(&expired.cert, &expired.key)),
        ("not valid before", &|files| files.write(&early.cert, &early.key)),
        ("No such file", &|files| {
            std::fs::remove_file(&files.cert).unwrap();
            std::fs::remove_file(&files.key).unwrap();
        }),
    ];
    for (why, spoil) in bad {
        spoil(&files);
        // Between the two writes the relay may have looked: that refusal is another one.
        let line = relay.says(why).await;
        assert!(line.contains("the old one stays in use"), "{line}");
        assert!(shown(&relay, &all).await == old.der, "{line}");
    }
    files.write(&new.cert, &new.key);
    relay.says("certificate reloaded").await;
    assert!(shown(&relay, &all).await == new.der);
}

#[tokio::test]
async fn a_certificate_whose_time_has_not_come_takes_over_when_it_comes() {
    let (old, files) = (Pair::new(), Files::new(&Pair::new()));
    files.write(&old.cert, &old.key);
    let mut relay = files.serve().await;
    let now = OffsetDateTime::now_utc();
    // Its time is in whole seconds; some go by before the relay looks.
    let soon = Pair::valid(now + Duration::seconds(5), now + Duration::days(1));
    files.write(&soon.cert, &soon.key);
    relay.says("not valid before").await;
    assert!(shown(&relay, &[&old]).await == old.der);
    relay.says("certificate reloaded").await;
    assert!(shown(&relay, &[&soon]).await == soon.der);
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
            predecessor: None,
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
    let names = [DOMAIN, &format!("*.{DOMAIN}")];
    let ever = |from, to| {
        Pair::with(&names, move |params| {
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        })
    };
    let stranger = Pair { key: Pair::new().key, ..Pair::new() };
    for (pair, words) in [
        (stranger, "does not go with its key"),
        (ever(1990, 2001), "it expired on 2001-01-01 00:00 UTC"),
        (ever(3999, 4000), "it is not valid before 3999-01-01 00:00 UTC"),
        (Pair::with(&[DOMAIN], |_| {}), "it does not cover *.relay.test, only relay.test"),
        (Pair::with(&["*.relay.test"], |_| {}), "it does not cover relay.test, only *.relay.test"),
        (Pair::with(&[], |_| {}), "it does not cover relay.test and *.relay.test, and names no host at all"),
    ] {
        files.write(&pair.cert, &pair.key);
        let error = start(&files.cert, &files.key);
        assert!(error.contains(words), "{error}");
    }
}
