//! Pebble, and its challenge test server, as child processes that end with the test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::process::{Command as StdCommand, Stdio};

use gantz_acme::Trust;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::within;

/// The life of what it issues, in seconds, where a test does not say another.
const LIFE: u64 = 90 * 24 * 60 * 60;

/// What a Pebble is started with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) dns: SocketAddr,
    pub(crate) life: u64,
    pub(crate) blocked: Vec<String>,
    /// Where it listens; it says so in every URL that it gives out.
    pub(crate) host: Ipv4Addr,
    pub(crate) port: u16,
    /// Where it looks for proofs: over HTTP, and in handshakes.
    pub(crate) http_port: u16,
    pub(crate) tls_port: u16,
}

impl Options {
    pub(crate) fn asking(dns: SocketAddr) -> Self {
        let (host, port) = (Ipv4Addr::LOCALHOST, free_port());
        Self { dns, life: LIFE, blocked: Vec::new(), host, port, http_port: 5002, tls_port: 5001 }
    }
}

/// A running Pebble.
pub(crate) struct Pebble {
    pub(crate) host: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) own: Own,
    folder: TempDir,
    _child: Child,
}

/// The certificate of a server of this machine, and who vouches for it.
#[derive(Clone)]
pub(crate) struct Own {
    pub(crate) ca: CertificateDer<'static>,
    pub(crate) cert_pem: String,
    pub(crate) key_pem: String,
}

impl Own {
    pub(crate) fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST)
    }

    pub(crate) fn at(host: Ipv4Addr) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let issuer = Issuer::from_ca_cert_der(ca.der(), key).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), host.to_string()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        Self { ca: ca.der().clone(), cert_pem: leaf.pem(), key_pem: key.serialize_pem() }
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::Only(vec![self.ca.clone()])
    }
}

impl Pebble {
    pub(crate) async fn start(options: &Options) -> Self {
        Self::start_as(options, Own::at(options.host)).await
    }

    pub(crate) async fn start_as(options: &Options, own: Own) -> Self {
        installed().await;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("cert.pem"), &own.cert_pem).unwrap();
        std::fs::write(path("key.pem"), &own.key_pem).unwrap();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("{}:{}", options.host, options.port),
            "certificate": path("cert.pem"),
            "privateKey": path("key.pem"),
            "httpPort": options.http_port,
            "tlsPort": options.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "domainBlocklist": options.blocked,
            "certificateValidityPeriod": options.life,
        }});
        std::fs::write(path("pebble.json"), config.to_string()).unwrap();
        let mut command = Command::new("pebble");
        command.arg("-config").arg(path("pebble.json")).arg("-dnsserver").arg(options.dns.to_string()).arg("-strict");
        // What it is asked again is proven again, and it does not wait at random before it looks.
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        let log = std::fs::File::create(path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        answers((options.host, options.port).into(), &mut child, || std::fs::read_to_string(path("log")).unwrap())
            .await;
        Self { host: options.host, port: options.port, own, folder, _child: child }
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://{}:{}/dir", self.host, self.port)
    }

    /// How many orders it was given.
    #[allow(dead_code, reason = "of the suites that share this file one counts")]
    pub(crate) fn orders(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        log.lines().filter(|line| line.contains(" orders in the db")).count()
    }
}

pub(crate) fn directory(port: u16) -> String {
    format!("https://127.0.0.1:{port}/dir")
}

/// Pebble's challenge test server: a DNS server whose records are set over HTTP. Every name leads to this machine.
pub(crate) struct ChallengeServer {
    pub(crate) dns: SocketAddr,
    pub(crate) management: SocketAddr,
    _child: Child,
}

impl ChallengeServer {
    pub(crate) async fn start() -> Self {
        installed().await;
        let (dns, management) = (local(free_port()), local(free_port()));
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        command.args(["-dns01", &dns.to_string(), "-management", &management.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        answers(management, &mut child, String::new).await;
        answers(dns, &mut child, String::new).await;
        Self { dns, management, _child: child }
    }
}

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Outside the range from which systems choose ports by themselves: it has to be free until its process has it.
pub(crate) fn free_port() -> u16 {
    use rand::RngExt;
    for _ in 0..1000 {
        let port = rand::rng().random_range(10_000..30_000);
        let is_free = StdListener::bind(local(port)).is_ok() && std::net::UdpSocket::bind(local(port)).is_ok();
        if is_free {
            return port;
        }
    }
    panic!("no free port between 10000 and 30000");
}

async fn answers(address: SocketAddr, child: &mut Child, log: impl Fn() -> String) {
    let connected = async {
        loop {
            if TcpStream::connect(address).await.is_ok() {
                return;
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("it has ended: {status}: {}", log());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("a server that answers", connected).await;
}

/// Installs Pebble where it is missing; by one test only, as apt takes one at a time.
async fn installed() {
    static DONE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    DONE.get_or_init(|| async { tokio::task::spawn_blocking(install).await.unwrap() }).await;
}

fn install() {
    let is_there = || {
        ["pebble", "pebble-challtestsrv"].iter().all(|name| {
            let run = StdCommand::new(name).arg("-help").stdout(Stdio::null()).stderr(Stdio::null()).status();
            run.is_ok()
        })
    };
    if is_there() {
        return;
    }
    let mut apt = StdCommand::new("sh");
    apt.args(["-c", "apt-get update && apt-get install -y --no-install-recommends pebble"]);
    let installed = apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).output();
    let why = match installed {
        Ok(output) if output.status.success() && is_there() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!("no Pebble: run `apt-get update && apt-get install -y pebble` as root, then this test again\n{why}");
}
