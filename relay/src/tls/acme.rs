//! `--tls acme`: a certificate that the relay orders and renews by itself, with its own DNS server beside it.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use gantz_acme::dns::{Server, Sockets, Zone};
use gantz_acme::{Hook, Keeper, Responder, Settings, State, Trust};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::{Current, TlsError};
use crate::config::{AcmeConfig, AcmeProof, Config, DNS_LISTEN_RETRY};

/// What looks after the certificate.
#[derive(Debug)]
pub(crate) struct Acme {
    keeper: Keeper,
    state: watch::Receiver<State>,
    dns: Option<Dns>,
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
    pub(super) fn load(config: &Config, acme: &AcmeConfig) -> Result<(Self, Option<Arc<CertifiedKey>>), TlsError> {
        let Some(dir) = &config.state_dir else { return Err(TlsError::NoStateFolder) };
        let settings = Settings {
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
        };
        let (keeper, state) = Keeper::open(settings, responder)?;
        let key = state.borrow().certificate.as_ref().map(|certificate| certificate.certified_key());
        let dns = server.map(|(server, address)| Dns::bind(server, address, key.is_some())).transpose()?;
        if key.is_none() {
            tracing::info!("there is no certificate yet: nobody can connect until the first one is issued");
        }
        Ok((Self { keeper, state, dns }, key))
    }

    /// Puts every new certificate into `current`. Never returns.
    pub(super) async fn run(self, current: Arc<Current>) {
        let Self { keeper, mut state, dns } = self;
        let serve = async {
            match dns {
                Some(Dns { server, address, bound }) => server.serve(sockets(address, bound).await).await,
                None => std::future::pending().await,
            }
        };
        let show = async {
            while state.changed().await.is_ok() {
                if let Some(certificate) = &state.borrow_and_update().certificate {
                    current.put(certificate.certified_key());
                }
            }
        };
        tokio::join!(serve, keeper.run(), show);
    }
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
