//! A thousand agents that want one name at the same moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gantz_shared::control::RefusalCode;
use gantz_shared::limits::HANDSHAKE_DEADLINE;
use gantz_shared::wire;
use gantz_tests::within;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::raw_agents::{RawAgents, answer, claim};
use crate::target::Target;

const CLAIMS: usize = 1_000;
/// Handshakes at once: more would only have each of them take longer.
const STEP: usize = 50;
/// How long the first waits for the last: less than a relay waits for what an agent wants.
const GATHER: Duration = HANDSHAKE_DEADLINE.checked_div(2).unwrap();
const NAME: &str = "wanted-by-all";

#[tokio::test]
async fn of_a_thousand_claims_of_a_name_one_is_granted_and_all_others_are_told() {
    let target = Target::start_with(&["--max-tunnels-per-source=5000", "--max-handshakes=5000"]).await;
    let (agents, turns) = (Arc::new(RawAgents::of(&target)), Arc::new(Semaphore::new(STEP)));
    let (ready, mut connected) = mpsc::channel(CLAIMS);
    let (open, gate) = watch::channel(false);
    let mut claims = JoinSet::new();
    for _ in 0..CLAIMS {
        let (agents, turns, ready, mut gate) = (agents.clone(), turns.clone(), ready.clone(), gate.clone());
        claims.spawn(async move {
            let turn = turns.acquire().await.unwrap();
            let connection = agents.connect().await;
            drop(turn);
            ready.send(()).await.unwrap();
            gate.wait_for(|is_open| *is_open).await.unwrap();
            claim(connection, Some(NAME)).await
        });
    }
    let started = Instant::now();
    let mut first = 0;
    let all = async {
        while first < CLAIMS {
            connected.recv().await.unwrap();
            first += 1;
        }
    };
    // On a machine that is too slow for all of them at once, the others claim as soon as they can.
    let _ = tokio::time::timeout(GATHER, all).await;
    eprintln!("claims: {first} of {CLAIMS} are connected after {:.1?}", started.elapsed());
    open.send_replace(true);

    let (mut winners, mut told) = (Vec::new(), 0);
    while let Some(claimed) = within("an answer to a claim", claims.join_next()).await {
        match claimed.unwrap() {
            Ok(agent) => winners.push(agent),
            Err(refused) => {
                assert_eq!(refused.code, RefusalCode::NameTaken);
                assert!(refused.message.contains(NAME), "{}", refused.message);
                told += 1;
            }
        }
    }
    eprintln!("claims: all are answered after {:.1?}", started.elapsed());
    assert_eq!((winners.len(), told), (1, CLAIMS - 1));

    // The one who has it is the one who is called.
    let winner = winners.remove(0);
    assert_eq!(winner.welcome.name.as_str(), NAME);
    let caller = target.caller(&winner.host());
    let answers = async {
        let (mut send, _recv) = winner.request().await;
        let mut whole = answer(b"2");
        wire::end(&mut whole);
        send.write(&mut [whole.freeze()]).await.unwrap();
        send.finish().unwrap();
        // Read to its end, or the end of the stream would cut the answer.
        send
    };
    tokio::join!(caller.call(), answers);
    target.caller(&target.host).call().await;
}
