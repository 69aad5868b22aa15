//! A keeper with its DNS server, as a relay has them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gantz_acme::dns::{Server, Sockets, Values, Zone};
use gantz_acme::{Certificate, Keeper, Pace, Responder, Settings, State, Trust};
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::{Pebble, free_port, local};
use crate::{DOMAIN, within};

/// Tries that failed are made again soon.
pub(crate) const SOON: Pace = Pace {
    unreachable: Duration::from_millis(100),
    refused: Duration::from_millis(100),
    rate_limited: Duration::from_millis(100),
    between: Duration::ZERO,
    ceiling: Duration::from_secs(1),
};

/// A DNS server for the challenges of [`DOMAIN`].
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    pub(crate) values: Values,
    _task: JoinSet<()>,
}

impl Dns {
    pub(crate) async fn start() -> Self {
        let address = local(free_port());
        let sockets =
            Sockets { udp: UdpSocket::bind(address).await.unwrap(), tcp: TcpListener::bind(address).await.unwrap() };
        let server = Server::new(Zone::of_domain(DOMAIN).unwrap());
        let values = server.values();
        let mut task = JoinSet::new();
        task.spawn(server.serve(sockets));
        Self { address, values, _task: task }
    }

    pub(crate) fn responder(&self) -> Responder {
        Responder::Dns(self.values.clone())
    }
}

pub(crate) fn settings(folder: &Path, directory: String, trust: Trust) -> Settings {
    let email = Some("operator@relay.example".to_owned());
    Settings { directory, trust, email, pace: SOON, ..Settings::new(DOMAIN, folder.to_owned()) }
}

/// A keeper that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) state: watch::Receiver<State>,
    _task: JoinSet<()>,
}

impl Running {
    pub(crate) fn start(settings: Settings, responder: Responder) -> Self {
        let (keeper, state) = Keeper::open(settings, responder).unwrap();
        let mut task = JoinSet::new();
        task.spawn(keeper.run());
        Self { state, _task: task }
    }

    pub(crate) fn with(folder: &Path, pebble: &Pebble, dns: &Dns) -> Self {
        Self::start(settings(folder, pebble.directory(), pebble.own.trust()), dns.responder())
    }

    /// Waits for a state.
    pub(crate) async fn until(&mut self, what: &str, is: impl FnMut(&State) -> bool) -> State {
        let state = within(what, self.state.wait_for(is)).await;
        state.expect("a keeper that runs").clone()
    }

    pub(crate) async fn certificate(&mut self) -> Arc<Certificate> {
        self.until("a certificate", |state| state.certificate.is_some()).await.certificate.unwrap()
    }

    /// Waits for another certificate than `old`.
    pub(crate) async fn next(&mut self, old: &Certificate) -> Arc<Certificate> {
        let is_new = |state: &State| state.certificate.as_ref().is_some_and(|new| leaf(new) != leaf(old));
        self.until("another certificate", is_new).await.certificate.unwrap()
    }

    /// Waits for a failure, and returns what is said of it.
    pub(crate) async fn trouble(&mut self) -> String {
        let state = self.until("trouble", |state| state.trouble.is_some()).await;
        state.trouble.unwrap().to_string()
    }
}

pub(crate) fn leaf(certificate: &Certificate) -> CertificateDer<'static> {
    certificate.certified_key().cert[0].clone()
}

/// The names in a certificate.
pub(crate) fn names(certificate: &Certificate) -> Vec<String> {
    let leaf = leaf(certificate);
    let (_, x509) = X509Certificate::from_der(&leaf).unwrap();
    let names = x509.subject_alternative_name().unwrap().unwrap().value.general_names.iter();
    let mut names: Vec<_> = names.map(|name| name.to_string()).collect();
    names.sort();
    names
}

/// Every file under `folder`.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
