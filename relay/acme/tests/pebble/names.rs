//! A certificate for each name: what fails, what is limited, and what nobody holds.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gantz_acme::{Keeper, Names, Pace, Responder, Settings, Subject, TlsAlpn, Trust};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authority::{ChallengeServer, Options, Own, Pebble, directory, free_port, local};
use crate::front::Front;
use crate::keeper::{SOON, files, settings};
use crate::{DOMAIN, PATIENCE, within};

/// Names with a listener for proofs, as a relay has them. Dropped, nothing of it runs.
struct Running {
    names: Names,
    held: Arc<Mutex<HashSet<String>>>,
    _tasks: JoinSet<()>,
}

impl Running {
    async fn start(folder: &Path, options: &Options, directory: String, trust: Trust, per_week: u32) -> Self {
        Self::with(Settings { ..settings(folder, directory, trust) }, options, per_week).await
    }

    async fn with(settings: Settings, options: &Options, per_week: u32) -> Self {
        let proofs = TlsAlpn::default();
        let settings = Settings { subject: Subject::Host(DOMAIN.to_owned()), ..settings };
        let (keeper, _) = Keeper::open(settings, Responder::TlsAlpn(proofs.clone())).unwrap();
        let (names, of_names) = Names::open(&keeper, per_week).unwrap();
        let held = Arc::new(Mutex::new(HashSet::new()));
        let listener = TcpListener::bind(local(options.tls_port)).await.unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(proofs.server_config().unwrap()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever has seen the proof leaves.
                drop(acceptor.accept(stream).await);
            }
        });
        let holds = held.clone();
        tasks.spawn(of_names.run(move |host| holds.lock().unwrap().contains(host)));
        Self { names, held, _tasks: tasks }
    }

    fn open(&self, label: &str) -> String {
        let host = format!("{label}.{DOMAIN}");
        self.held.lock().unwrap().insert(host.clone());
        self.names.want(&host);
        host
    }

    fn leaf(&self, host: &str) -> Option<CertificateDer<'static>> {
        self.names.certificate(host).map(|key| key.cert[0].clone())
    }

    async fn certificate(&self, host: &str) -> CertificateDer<'static> {
        let certificate = async {
            loop {
                self.names.ready(host).await;
                match self.leaf(host) {
                    Some(leaf) => return leaf,
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, certificate).await {
            Ok(leaf) => leaf,
            Err(_) => panic!("no certificate for {host}: {:?}", self.names.without()),
        }
    }

    /// Waits until as many names have trouble, and gives one.
    async fn trouble(&self, count: usize) -> String {
        within("trouble", async {
            loop {
                match self.names.without() {
                    (without, Some(why)) if without >= count => return why,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        })
        .await
    }
}

async fn authority() -> (ChallengeServer, Options) {
    let dns = ChallengeServer::start().await;
    let options = Options { tls_port: free_port(), ..Options::asking(dns.dns) };
    (dns, options)
}

#[tokio::test]
async fn a_name_that_is_refused_leaves_the_others_alone_and_is_tried_again() {
    let (_dns, options) = authority().await;
    let blocked = Options { blocked: vec![format!("bad.{DOMAIN}")], ..options.clone() };
    let pebble = Pebble::start(&blocked).await;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &options, pebble.directory(), pebble.own.trust(), 10).await;
    let bad = running.open("bad");
    let trouble = running.trouble(1).await;
    assert!(trouble.contains("refuses") && trouble.contains("rejectedIdentifier"), "{trouble}");
    let good = running.open("good");
    running.certificate(&good).await;
    assert!(running.leaf(&bad).is_none() && running.names.failures() > 0);
    let own = pebble.own.clone();
    drop(pebble);
    let _pebble = Pebble::start_as(&options, own).await;
    running.certificate(&bad).await;
    assert_eq!(running.names.without().0, 0);
}

#[tokio::test]
async fn an_authority_that_is_not_there_is_waited_for_by_all_names() {
    let (_dns, options) = authority().await;
    let own = Own::new();
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &options, directory(options.port), own.trust(), 10).await;
    let hosts = ["a", "b", "c", "d", "e", "f"].map(|label| running.open(label));
    let trouble = running.trouble(4).await;
    assert!(trouble.contains("cannot be asked"), "{trouble}");
    let _pebble = Pebble::start_as(&options, own).await;
    for host in &hosts {
        running.certificate(host).await;
    }
    assert_eq!(files(folder.path()).iter().filter(|path| path.ends_with("account.json")).count(), 1);
}

#[tokio::test]
async fn names_that_have_asked_too_often_come_back_when_they_were_told_to() {
    let (_dns, options) = authority().await;
    let pebble = Pebble::start(&options).await;
    let front = Front::start(&pebble).await;
    let wait = Duration::from_secs(3);
    front.turn_away(wait);
    let folder = tempfile::tempdir().unwrap();
    let pace = Pace { rate_limited: Duration::from_secs(60), ..SOON };
    let settings = Settings { pace, ..settings(folder.path(), front.directory(), front.trust()) };
    let running = Running::with(settings, &options, 10).await;
    let first = running.open("first");
    assert!(running.trouble(1).await.contains("asked too often"));
    let other = running.open("other");
    running.certificate(&first).await;
    running.certificate(&other).await;
    let orders = front.orders();
    // The field has whole seconds.
    assert!(orders[1] - orders[0] >= wait - Duration::from_secs(1), "{:?}", orders[1] - orders[0]);
}

#[tokio::test]
async fn a_certificate_that_has_expired_at_the_start_is_replaced_and_takes_no_place_of_the_week() {
    let (_dns, options) = authority().await;
    let pebble = Pebble::start(&options).await;
    let folder = tempfile::tempdir().unwrap();
    let host = format!("again.{DOMAIN}");
    let names = folder.path().join(format!("127.0.0.1-{}-dir/names", options.port));
    std::fs::create_dir_all(&names).unwrap();
    std::fs::write(names.join(format!("{host}.pem")), expired(&host)).unwrap();
    let running = Running::start(folder.path(), &options, pebble.directory(), pebble.own.trust(), 1).await;
    let old = running.leaf(&host).expect("the old one, until there is another");
    running.open("fresh");
    running.certificate(&format!("fresh.{DOMAIN}")).await;
    running.open("again");
    within("another certificate", async {
        while running.certificate(&host).await == old {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    running.open("over");
    assert!(running.trouble(1).await.contains("as many as may be"));
}

#[tokio::test]
async fn what_nobody_holds_any_more_is_not_ordered() {
    let (_dns, options) = authority().await;
    let pebble = Pebble::start(&options).await;
    let front = Front::start(&pebble).await;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &options, front.directory(), front.trust(), 10).await;
    let gone = format!("gone.{DOMAIN}");
    running.names.want(&gone);
    let held = running.open("held");
    running.certificate(&held).await;
    within("an answer of what is not ordered", running.names.ready(&gone)).await;
    assert!(running.leaf(&gone).is_none());
    assert!(
        !front.orders().is_empty() && files(folder.path()).iter().all(|path| !path.ends_with(format!("{gone}.pem")))
    );
    running.open("gone");
    running.certificate(&gone).await;
}

fn expired(host: &str) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = OffsetDateTime::now_utc() - time::Duration::days(100);
    params.not_after = OffsetDateTime::now_utc() - time::Duration::days(10);
    let certificate = params.self_signed(&key).unwrap();
    format!("{}{}", key.serialize_pem(), certificate.pem())
}

#[tokio::test]
async fn a_call_that_comes_before_anybody_orders_waits_and_one_for_a_name_that_nobody_wants_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), directory(free_port()), Own::new().trust());
    let settings = Settings { subject: Subject::Host(DOMAIN.to_owned()), ..settings };
    let (keeper, _) = Keeper::open(settings, Responder::TlsAlpn(TlsAlpn::default())).unwrap();
    let (names, of_names) = Names::open(&keeper, 10).unwrap();
    let host = format!("early.{DOMAIN}");
    names.want(&host);
    let waits = tokio::time::timeout(Duration::from_millis(100), names.ready(&host));
    assert!(waits.await.is_err());
    within("nothing to wait for", names.ready(&format!("other.{DOMAIN}"))).await;
    // Nobody is there to be asked: it is told, and not waited for.
    let running = tokio::spawn(of_names.run(|_| true));
    within("the end of a wait", names.ready(&host)).await;
    assert!(names.certificate(&host).is_none() && names.without().0 == 1);
    running.abort();
}
