//! The access key of a run reaches the relay, wherever it is said, and nobody else.

use std::net::Ipv4Addr;

use gantz_shared::control::{FromAgent, FromRelay, RefusalCode, Refused, Secret};
use gantz_tests::{canary, within};
use gantz_transport::control::channel;
use gantz_transport::quic::{Listener, bind};
use gantz_transport::{Connection, Dropped};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;

use crate::gantz;
use crate::process::Cli;
use crate::screens::assert_screen;

/// A relay that hears who comes, and lets nobody in.
struct Doorman {
    listener: Listener,
    ca: String,
}

impl Doorman {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()))
            .unwrap();
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { listener: Listener::new(socket, tls, &[7; 32]).unwrap(), ca: cert.pem() }
    }

    /// The key that the next agent shows. It is turned away.
    async fn shown(&self) -> (Option<Secret>, Connection) {
        let connection = self.listener.accept().await.unwrap().accept().await.unwrap();
        let (mut sender, mut receiver) = channel(connection.accept(Dropped::CONTROL).await.unwrap());
        let Some(FromAgent::Hello(hello)) = receiver.receive().await.unwrap() else { panic!("no hello first") };
        let message = "this key opens nothing here".to_owned();
        let refused = FromRelay::Refused(Refused { code: RefusalCode::BadKey, message, retry_after: None });
        sender.send(&refused).await.unwrap();
        sender.finish().await.unwrap();
        (hello.access_key, connection)
    }

    /// What a run shows of a key, and its screen.
    async fn run(&self, say: impl FnOnce(Cli) -> Cli) -> (Option<Secret>, String) {
        let address = self.listener.local_addr().unwrap();
        let run = gantz(&format!("run --auth 8090 --relay {address} --relay-ca ca.pem")).file("ca.pem", &self.ca);
        let (ended, (key, _connection)) = tokio::join!(say(run).end(), within("a hello", self.shown()));
        assert_eq!(ended.code(), Some(3), "{ended}");
        assert_eq!(canary::find(ended.to_string().as_bytes()), None);
        (key, ended.to_string())
    }
}

#[tokio::test]
async fn wherever_it_is_said() {
    let doorman = Doorman::new();
    let mut screens = Vec::new();
    for say in [
        |run: Cli| run.arg("--key").arg(canary::ACCESS_KEY),
        |run: Cli| run.env("GANTZ_KEY", canary::ACCESS_KEY),
        |run: Cli| run.file("gantz.yaml", &format!("key: {}\n", canary::ACCESS_KEY)),
        // A flag beats the variable.
        |run: Cli| run.env("GANTZ_KEY", "gzk_another").arg("--key").arg(canary::ACCESS_KEY),
    ] {
        let (key, screen) = doorman.run(say).await;
        assert_eq!(key, Some(canary::access_key()));
        screens.push(screen);
    }
    let (none, screen) = doorman.run(|run| run).await;
    assert_eq!(none, None);
    screens.push(screen);
    screens.dedup();
    assert_screen!("refused_key", screens.join("\n\n"));
}
