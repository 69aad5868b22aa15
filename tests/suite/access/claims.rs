//! A thousand agents of several keys that want one name at the same moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gantz_shared::control::{FromAgent, FromRelay, Hello, Policy, RefusalCode, Refused, Secret, Welcome};
use gantz_shared::limits::HANDSHAKE_DEADLINE;
use gantz_tests::{DOMAIN, client, lasting_port, within};
use gantz_transport::control::{ControlReceiver, ControlSender, channel};
use gantz_transport::quic::Dialer;
use gantz_transport::{Connection, Dropped};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::{Folder, Key, Relay};

const CLAIMS: usize = 1_000;
const KEYS: usize = 4;
/// Handshakes at once: more would only have each of them take longer.
const STEP: usize = 50;
/// How long the first waits for the last: less than a relay waits for what an agent wants.
const GATHER: Duration = HANDSHAKE_DEADLINE.checked_div(2).unwrap();
const NAME: &str = "wanted-by-all";

type Held = (Connection, (ControlSender, ControlReceiver), Welcome);

async fn claim(connection: Connection, key: &Key) -> Result<Held, Refused> {
    let (mut sender, mut receiver) = channel(connection.open(Dropped::CONTROL).await.unwrap());
    let hello = Hello {
        agent: "test".into(),
        access_key: Some(Secret::new(key.secret.clone())),
        wanted_name: Some(NAME.into()),
        resume: None,
        moves: false,
        run: None,
        policy: Policy::default(),
    };
    sender.send(&FromAgent::Hello(hello)).await.unwrap();
    match within("the relay's answer", receiver.receive()).await.unwrap() {
        Some(FromRelay::Welcome(welcome)) => Ok((connection, (sender, receiver), welcome)),
        Some(FromRelay::Refused(refused)) => Err(refused),
        other => panic!("neither welcome nor refused: {other:?}"),
    }
}

#[tokio::test]
async fn of_a_thousand_claims_of_a_name_one_is_granted() {
    let flags = "--max-tunnels-per-source=5000 --max-handshakes=5000";
    let relay = Relay::start_again(lasting_port(), Folder::new(), flags).await;
    let mut keys = Vec::new();
    for number in 0..KEYS {
        keys.push(relay.key(&format!("--label key-{number}")).await);
    }
    let address: SocketAddr = ([127, 0, 0, 1], relay.port).into();
    let pem = std::fs::read_to_string(relay.folder.path().join("state/ca.pem")).unwrap();
    let dialer = Arc::new(Dialer::new(address).unwrap());
    let (turns, pem) = (Arc::new(Semaphore::new(STEP)), Arc::new(pem));
    let (ready, mut connected) = mpsc::channel(CLAIMS);
    let (open, gate) = watch::channel(false);
    let mut claims = JoinSet::new();
    for number in 0..CLAIMS {
        let (dialer, turns, pem) = (dialer.clone(), turns.clone(), pem.clone());
        let (ready, mut gate, key) = (ready.clone(), gate.clone(), keys[number % KEYS].clone());
        claims.spawn(async move {
            let turn = turns.acquire().await.unwrap();
            let connection = dialer.connect(address, DOMAIN, client::trusting(&pem, &[])).await.unwrap();
            drop(turn);
            ready.send(()).await.unwrap();
            gate.wait_for(|is_open| *is_open).await.unwrap();
            (claim(connection, &key).await, key)
        });
    }
    let all = async {
        for _ in 0..CLAIMS {
            connected.recv().await.unwrap();
        }
    };
    // On a machine that is too slow for all of them at once, the others claim as soon as they can.
    let _ = tokio::time::timeout(GATHER, all).await;
    open.send_replace(true);

    let (mut winners, mut told) = (Vec::new(), 0);
    while let Some(claimed) = within("an answer to a claim", claims.join_next()).await {
        match claimed.unwrap() {
            (Ok(held), key) => winners.push((held, key)),
            (Err(refused), _) => {
                assert_eq!(refused.code, RefusalCode::NameTaken, "{}", refused.message);
                told += 1;
            }
        }
    }
    assert_eq!((winners.len(), told), (1, CLAIMS - 1));
    let ((_, _, welcome), key) = &winners[0];
    assert_eq!(welcome.name.as_str(), NAME);
    // It is the winner's key that has it.
    let list = relay.told("names list").await;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["key"].as_str(), Some(&*key.id), "{list}");
}
