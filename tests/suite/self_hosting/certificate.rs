//! A certificate that a real certificate authority has issued goes wherever the state goes, and none is ordered in its
//! place.

use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use gantz_tests::{client, lasting_port, within};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::authority::{Options, Pebble, free_port, local};
use crate::{Folder, Running, gantz_relay};

const DOMAIN: &str = "relay.test";

/// Who vouches for the certificate authority's own server, as `--acme-ca` reads it.
pub(crate) fn vouches(pebble: &Pebble) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(&pebble.own.ca))
}

/// The certificate that whoever comes for `host` is shown, and which holds for it: `kept` is the file that the relay has
/// of it.
pub(crate) async fn shown(port: u16, host: &str, kept: &str) -> Vec<u8> {
    let (_, issuer) = kept.rsplit_once("-----BEGIN CERTIFICATE-----").unwrap();
    let issuer = format!("-----BEGIN CERTIFICATE-----{issuer}");
    let connector = TlsConnector::from(Arc::new(client::trusting(&issuer, &[b"http/1.1"])));
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = within("a handshake", connector.connect(name, tcp)).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// A relay whose certificates come from `pebble`.
struct Relay<'a> {
    pebble: &'a Pebble,
    dns: u16,
    port: u16,
}

impl Relay<'_> {
    async fn start(&self, folder: &Folder, words: &str) -> Running {
        folder.write("authority.pem", &vouches(self.pebble));
        let mut running = gantz_relay("serve --tls acme --acme-ca authority.pem --state-dir state --drain 1s")
            .arg(format!("--domain={DOMAIN}"))
            .arg(format!("--acme-directory={}", self.pebble.directory()))
            .arg(format!("--acme-dns-listen=127.0.0.1:{}", self.dns))
            .arg(format!("--listen=127.0.0.1:{}", self.port))
            .arg("--admin-listen=127.0.0.1:0")
            .within(folder)
            .start();
        running.stderr.line(words).await;
        running
    }

    /// Starts with what there is: has to show `certificate`, and to have ordered nothing by its end.
    async fn keeps(&self, folder: &Folder, certificate: &[u8]) {
        let running = self.start(folder, "relay serves").await;
        for host in [DOMAIN.to_owned(), format!("any.{DOMAIN}")] {
            assert_eq!(shown(self.port, &host, &self.kept(folder)).await, certificate, "{host}");
        }
        running.signal("TERM").await;
        let ended = running.end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(!ended.stderr.contains("ordering a certificate"), "{ended}");
        assert_eq!(self.pebble.orders(), 1, "the first one's");
    }

    fn kept(&self, folder: &Folder) -> String {
        let directory = format!("{}-{}-dir", self.pebble.host, self.pebble.port);
        std::fs::read_to_string(folder.path().join(format!("state/acme/{directory}/{DOMAIN}.pem"))).unwrap()
    }
}

#[tokio::test]
async fn is_kept_over_a_restart_and_comes_along_in_a_backup() {
    let dns = free_port();
    let pebble = Pebble::start(&Options::asking(local(dns))).await;
    let relay = Relay { pebble: &pebble, dns, port: lasting_port() };
    let folder = Folder::new();
    let running = relay.start(&folder, "certificate issued").await;
    within("the certificate in the state folder and in use", async {
        let connects = async || {
            let asked = gantz_relay("health").env("GANTZ_RELAY_ADMIN_LISTEN", &admin(&running)).end().await;
            asked.code() == Some(0)
        };
        while !connects().await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let certificate = shown(relay.port, DOMAIN, &relay.kept(&folder)).await;
    // While it runs.
    let backup = gantz_relay("backup backup.tar --state-dir state").within(&folder).end().await;
    assert_eq!(backup.code(), Some(0), "{backup}");
    running.signal("TERM").await;
    assert_eq!(running.end().await.code(), Some(0));
    relay.keeps(&folder, &certificate).await;

    let elsewhere = Folder::new();
    std::fs::rename(folder.path().join("backup.tar"), elsewhere.path().join("backup.tar")).unwrap();
    let restore = gantz_relay("restore backup.tar --state-dir state").within(&elsewhere).end().await;
    assert_eq!(restore.code(), Some(0), "{restore}");
    relay.keeps(&elsewhere, &certificate).await;
}

/// Where the operator's listener is, as the log names it.
fn admin(running: &Running) -> String {
    let log = running.stderr.now();
    let (_, address) = log.split_once("admin=\"").expect("the log names it");
    address.split('"').next().unwrap().to_owned()
}
