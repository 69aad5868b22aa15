//! A certificate that is replaced while it is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gantz_acme::State;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::authority::{Options, Pebble, local};
use crate::front::{Front, Renewal};
use crate::keeper::{Dns, Running, leaf, settings};
use crate::within;

/// Shows what the keeper has, as a relay does.
#[derive(Debug)]
struct Live(watch::Receiver<State>);

impl ResolvesServerCert for Live {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().certificate.as_ref().map(|certificate| certificate.certified_key())
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Answers each byte with itself.
async fn serve(listener: TcpListener, state: watch::Receiver<State>) {
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_cert_resolver(Arc::new(Live(state)));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Ok(byte) = stream.read_u8().await {
                if stream.write_u8(byte).await.is_err() {
                    return;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Believes the issuer of this chain alone, and checks name and time as everybody does.
fn connector(issuer: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(issuer.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

async fn connect(connector: &TlsConnector, port: u16) -> tokio_rustls::client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(local(port)).await.unwrap();
    let name = ServerName::try_from("any-name.relay.example").unwrap();
    connector.connect(name, stream).await.expect("a certificate that is valid")
}

#[tokio::test]
async fn renewals_under_load_fail_no_request_and_cut_no_connection() {
    let dns = Dns::start().await;
    let pebble = Pebble::start(&Options { life: 20, ..Options::asking(dns.address) }).await;
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::with(folder.path(), &pebble, &dns);
    let first = running.certificate().await;
    let connector = connector(&first.certified_key().cert[1]);
    let listener = TcpListener::bind(local(0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, running.state.clone()));

    let (mut long, done) = (connect(&connector, port).await, Arc::new(AtomicU64::new(0)));
    for _ in 0..2 {
        let (connector, done) = (connector.clone(), done.clone());
        // A task that panics is found below.
        tasks.spawn(async move {
            loop {
                let mut stream = connect(&connector, port).await;
                stream.write_u8(7).await.unwrap();
                assert_eq!(stream.read_u8().await.unwrap(), 7);
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut old = first.clone();
    for number in 0..2 {
        let new = running.next(&old).await;
        assert!(new.not_after() > old.not_after());
        long.write_u8(number).await.unwrap();
        assert_eq!(within("an answer", long.read_u8()).await.unwrap(), number);
        let fresh = connect(&connector, port).await;
        assert_eq!(fresh.get_ref().1.peer_certificates().unwrap()[0], leaf(&new));
        old = new;
    }
    assert!(tasks.try_join_next().is_none(), "a request has failed");
    let done = done.load(Ordering::Relaxed);
    assert!(done > 100, "{done}");
    assert!(time::OffsetDateTime::now_utc() > first.not_after(), "the first one would not have done until now");
}

#[tokio::test]
async fn the_authority_says_when_and_the_order_says_what_it_replaces() {
    let dns = Dns::start().await;
    let pebble = Pebble::start(&Options::asking(dns.address)).await;
    let front = Front::start(&pebble).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), front.directory(), front.trust());
    // The second one is asked for at once, the third one has two months to go.
    front.suggest(Renewal::Past);
    let mut running = Running::start(settings, dns.responder());
    let first = running.certificate().await;
    front.suggest(Renewal::Past);
    running.next(&first).await;
    front.suggest(Renewal::Future);
    let replaced = within("an order that says what it replaces", front.replaced()).await;
    assert!(replaced.contains('.'), "{replaced}");
}
