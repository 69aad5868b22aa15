//! Two agents with one resume ticket: the newest keeps the name, and the other one says so and ends.

use futures_util::FutureExt;
use gantz_relay::Relay;
use gantz_shared::control::{FromAgent, FromRelay, Hello, Policy, Secret, Welcome};
use gantz_tests::{DOMAIN, canary, client, echo, relay, within};
use gantz_transport::control::{ControlSender, channel};
use gantz_transport::quic::Dialer;
use gantz_transport::{Connection, Dropped};

use crate::gantz;
use crate::process::Folder;
use crate::screens::assert_screen;

const NAME: &str = "my-tools";

/// An agent of the same owner as `gantz run` in this test, as far as a relay can tell.
struct Twin {
    connection: Connection,
    welcome: Welcome,
    _sender: ControlSender,
    _dialer: Dialer,
}

impl Twin {
    async fn open(relay: &Relay, resume: Secret) -> Self {
        let address = relay.agent_addr();
        let dialer = Dialer::new(address).unwrap();
        let connection = dialer.connect(address, DOMAIN, client::tls(relay, &[])).await.expect("a QUIC connection");
        let (mut sender, mut receiver) = channel(connection.open(Dropped::CONTROL).await.unwrap());
        let hello = Hello {
            agent: "test".into(),
            access_key: Some(canary::access_key()),
            wanted_name: Some(NAME.into()),
            resume: Some(resume),
            moves: false,
            run: None,
            policy: Policy { open: true, ..Policy::default() },
        };
        sender.send(&FromAgent::Hello(hello)).await.unwrap();
        match within("welcome", receiver.receive()).await.unwrap() {
            Some(FromRelay::Welcome(welcome)) => Self { connection, welcome, _sender: sender, _dialer: dialer },
            other => panic!("no welcome: {other:?}"),
        }
    }
}

/// What the one tunnel of this folder's user keeps, as somebody has it who has copied the file to another machine.
fn kept_ticket(folder: &Folder) -> Secret {
    let kept = folder.path().join("home/.local/state/gantz/tunnels");
    let files = std::fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path());
    let [file] = &files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect::<Vec<_>>()[..]
    else {
        panic!("not one file");
    };
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    Secret::new(kept["ticket"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_tunnel_that_another_gantz_takes_over_ends() {
    let (relay, server) = (relay().start_relay(), echo());
    let ca = relay.ca_pem().unwrap().to_owned();
    let folder = Folder::new();
    let run = async |name: &str| {
        let address = relay.agent_addr();
        let mut running = gantz(&format!("run --auth=none --relay {address} --relay-ca ca.pem --name {name}"))
            .arg(server.address().to_string())
            .env("GANTZ_KEY", canary::ACCESS_KEY)
            .within(&folder)
            .file("ca.pem", &ca)
            .start();
        running.stdout.line("Tunnel URL:").await;
        running
    };
    let running = run(NAME).await;
    let ticket = kept_ticket(&folder);
    let other = run("other").await;

    let twin = Twin::open(&relay, ticket).await;
    assert_eq!(twin.welcome.name.as_str(), NAME);
    let ended = running.end().await;
    assert_eq!(ended.code(), Some(3), "{ended}");
    assert_screen!("taken_over", ended);
    // It does not come back to take the name in its turn, and other tunnels have no part in it.
    other.signal("INT").await;
    assert_eq!(other.end().await.code(), Some(0));
    assert!(twin.connection.closed().now_or_never().is_none());
}
