//! `--tls acme`: a certificate that the relay orders and renews by itself, with its own DNS server beside it; or one for
//! each host, which its own listeners prove.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use gantz_acme::dns::{Server, Sockets, Zone};
use gantz_acme::{Hook, Http, Keeper, Names, NamesKeeper, Responder, Settings, State, Subject, TlsAlpn, Trust};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::by_name::{ByName, label};
use super::{Current, TlsError};
use crate::audit::{Event, Log};
use crate::config::{AcmeConfig, AcmeProof, Config, DNS_LISTEN_RETRY, NameChallenge};
use crate::directory::{Directory, Found};

/// What looks after the certificate.
#[derive(Debug)]
pub(crate) struct Acme {
    keeper: Keeper,
    state: watch::Receiver<State>,
    dns: Option<Dns>,
    responder: Responder,
    names: Option<OfNames>,
}

/// What looks after the certificates of names.
#[derive(Debug)]
struct OfNames {
    keeper: NamesKeeper,
    names: Names,
    domain: String,
    per_week: u32,
}

/// What orders have to know of the rest of the relay.
pub(crate) struct Surroundings {
    /// Who holds which name.
    pub(crate) directory: Arc<dyn Directory>,
    /// Where it is written down that names get no certificate.
    pub(crate) audit: Log,
    /// Cancelled when the public is let in: before that, another process has the listeners.
    pub(crate) open: CancellationToken,
}

/// The relay's DNS server.
#[derive(Debug)]
struct Dns {
    server: Server,
    address: SocketAddr,
    /// `None` while the port belongs to somebody else: the relay whose place this one takes, until it has ended.
    bound: Option<(UdpSocket, TcpListener)>,
}

impl Acme {
    /// Takes the certificate that is kept, if there is one. Nobody is asked for anything yet.
    pub(super) fn load(config: &Config, acme: &AcmeConfig) -> Result<(Self, Arc<Current>), TlsError> {
        let Some(dir) = &config.state_dir else { return Err(TlsError::NoStateFolder) };
        let mut settings = Settings {
            directory: acme.directory.clone(),
            email: acme.email.clone(),
            trust: acme.ca.as_deref().map_or(Ok(Trust::System), trust)?,
            ..Settings::new(config.domain.as_str(), dir.join("acme"))
        };
        let (responder, server) = match &acme.proof {
            AcmeProof::Hook(command) => (Responder::Hook(Hook::new(command)), None),
            AcmeProof::Dns { listen, zone } => {
                let domain = config.domain.as_str();
                let zone = match zone {
                    None => Zone::of_domain(domain)?,
                    Some(apex) => Zone::new(apex, domain)?,
                };
                let server = Server::new(zone);
                (Responder::Dns(server.values()), Some((server, *listen)))
            }
            AcmeProof::ByName { challenge, .. } => {
                settings.subject = Subject::Host(config.domain.as_str().to_owned());
                let responder = match challenge {
                    NameChallenge::TlsAlpn => Responder::TlsAlpn(TlsAlpn::default()),
                    NameChallenge::Http => Responder::Http(Http::default()),
                };
                (responder, None)
            }
        };
        let (keeper, state) = Keeper::open(settings, responder.clone())?;
        let key = state.borrow().certificate.as_ref().map(|certificate| certificate.certified_key());
        let dns = server.map(|(server, address)| Dns::bind(server, address, key.is_some())).transpose()?;
        if key.is_none() {
            tracing::info!("there is no certificate yet: nobody can connect until the first one is issued");
        }
        let domain = config.domain.as_str();
        let names = match acme.proof {
            AcmeProof::ByName { names_per_week, .. } => {
                let (names, keeper) = Names::open(&keeper, names_per_week)?;
                Some(OfNames { keeper, names, domain: domain.to_owned(), per_week: names_per_week })
            }
            _ => None,
        };
        let by_name = names.as_ref().map(|of| ByName::new(domain, of.names.clone()));
        Ok((Self { keeper, state, dns, responder, names }, Current::with(key, by_name)))
    }

    /// What the relay's listeners have to show.
    pub(super) fn proofs(&self) -> (Option<TlsAlpn>, Option<Http>) {
        match &self.responder {
            Responder::TlsAlpn(open) => (Some(open.clone()), None),
            Responder::Http(open) => (None, Some(open.clone())),
            _ => (None, None),
        }
    }

    /// Puts every new certificate into `current`. Never returns.
    pub(super) async fn run(self, current: Arc<Current>, around: Surroundings) {
        let Self { keeper, mut state, dns, responder: _, names } = self;
        if names.is_some() {
            // A proof that another process would be asked for fails.
            around.open.cancelled().await;
        }
        let serve = async {
            match dns {
                Some(Dns { server, address, bound }) => server.serve(sockets(address, bound).await).await,
                None => std::future::pending().await,
            }
        };
        let show = async {
            let mut in_a_row = 0;
            while state.changed().await.is_ok() {
                let state = state.borrow_and_update();
                if let Some(certificate) = &state.certificate {
                    current.put(certificate.certified_key());
                }
                current.failed(state.failures.saturating_sub(in_a_row));
                in_a_row = state.failures;
            }
        };
        let by_name = async {
            match names {
                Some(names) => names.run(around).await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(serve, keeper.run(), show, by_name);
    }
}

impl OfNames {
    /// Orders for the names that open tunnels hold. Never returns.
    async fn run(self, Surroundings { directory, audit, .. }: Surroundings) {
        let Self { keeper, names, domain, per_week } = self;
        let mut limit = names.limit();
        let tell = async {
            let mut before = None;
            loop {
                let until: Option<OffsetDateTime> = *limit.borrow_and_update();
                if let (None, Some(until)) = (before, until) {
                    let until = until.unix_timestamp();
                    audit.write(&Event::CertificatesLimited { names_per_week: per_week, until });
                }
                before = until;
                if limit.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let is_held =
            move |host: &str| label(host, &domain).is_some_and(|name| matches!(directory.find(name), Found::Here(_)));
        tokio::join!(keeper.run(is_held), tell);
    }
}

/// Whether what the settings name is there and can be used. Nobody is asked for anything.
pub(super) fn check(config: &Config, acme: &AcmeConfig) -> Result<(), TlsError> {
    acme.ca.as_deref().map_or(Ok(Trust::System), trust)?;
    match &acme.proof {
        AcmeProof::Hook(command) => is_program(command).map_err(|error| TlsError::File {
            what: "hook",
            path: command.clone(),
            why: error.to_string(),
        }),
        AcmeProof::Dns { zone, .. } => {
            let domain = config.domain.as_str();
            zone.as_deref().map_or_else(|| Zone::of_domain(domain), |apex| Zone::new(apex, domain))?;
            Ok(())
        }
        AcmeProof::ByName { .. } => Ok(()),
    }
}

/// Whether the file can be run. One without a folder is looked for in `PATH` when it is.
fn is_program(path: &Path) -> io::Result<()> {
    if path.parent().is_none_or(|folder| folder.as_os_str().is_empty()) {
        return Ok(());
    }
    let file = std::fs::metadata(path)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o111 == 0 {
        return Err(io::Error::other("nobody may run it"));
    }
    if file.is_file() { Ok(()) } else { Err(io::Error::other("it is no file")) }
}

impl Dns {
    fn bind(server: Server, address: SocketAddr, can_wait: bool) -> Result<Self, TlsError> {
        match bind(address) {
            Ok(bound) => Ok(Self { server, address, bound: Some(bound) }),
            Err(error) if can_wait && error.kind() == io::ErrorKind::AddrInUse => {
                tracing::warn!(%address, "somebody else has the DNS server's port; it is tried again until it is free");
                Ok(Self { server, address, bound: None })
            }
            Err(source) => Err(TlsError::Dns { address, source }),
        }
    }
}

/// The sockets, as soon as they can be had.
async fn sockets(address: SocketAddr, mut bound: Option<(UdpSocket, TcpListener)>) -> Sockets {
    loop {
        match bound.take().map_or_else(|| bind(address), Ok).and_then(asynchronous) {
            Ok(sockets) => return sockets,
            Err(error) => tracing::debug!(%address, %error, "no DNS server yet"),
        }
        tokio::time::sleep(DNS_LISTEN_RETRY).await;
    }
}

fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    Ok((UdpSocket::bind(address)?, TcpListener::bind(address)?))
}

fn asynchronous((udp, tcp): (UdpSocket, TcpListener)) -> io::Result<Sockets> {
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok(Sockets { udp: tokio::net::UdpSocket::from_std(udp)?, tcp: tokio::net::TcpListener::from_std(tcp)? })
}

fn trust(path: &Path) -> Result<Trust, TlsError> {
    let bad = |why: String| TlsError::File { what: "certificate authority", path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| bad(error.to_string()))?;
    if certificates.is_empty() {
        return Err(bad("it holds no PEM certificate".into()));
    }
    Ok(Trust::Only(certificates))
}
