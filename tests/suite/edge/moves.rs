//! An agent that moves from one connection to another: the name leads to the older one until the agent is known to be at the
//! newer one.

use gantz_relay::Relay;
use gantz_shared::control::{FromAgent, Hello, RefusalCode, Run};
use gantz_shared::reset::CloseCode;
use gantz_tests::{client, relay, within};

use super::raw_agent::{RawAgent, closed, hello, open};

/// One run's hello that comes as the `opening`th, from the tunnel of `before`.
fn moving(opening: u64, before: &RawAgent) -> Hello {
    Hello { moves: true, ..coming_back(opening, before) }
}

/// As [`moving`], where the tunnel is lost.
fn coming_back(opening: u64, before: &RawAgent) -> Hello {
    let run = Some(Run { id: "one".to_owned(), opening });
    Hello { run, resume: Some(before.welcome.resume.clone()), ..hello() }
}

async fn first(relay: &Relay) -> RawAgent {
    open(relay, Hello { run: Some(Run { id: "one".to_owned(), opening: 0 }), ..hello() }).await.unwrap()
}

/// A call comes out at `agent`.
async fn assert_serves(relay: &Relay, agent: &RawAgent) {
    let caller = client::reqwest(relay, &agent.host(), false);
    let (answer, ()) =
        tokio::join!(caller.get(&agent.welcome.url).send(), async { agent.request().await.answer("here").await });
    assert_eq!(answer.unwrap().text().await.unwrap(), "here");
}

/// Calls until one comes out at `agent` and not at `other`, which answers those that come there.
async fn serves_next(relay: &Relay, agent: &RawAgent, other: &RawAgent) {
    let caller = client::reqwest(relay, &agent.host(), false);
    within("a call at the newer tunnel", async {
        let mut is_there = false;
        while !is_there {
            let answered = async {
                is_there = tokio::select! {
                    request = agent.request() => { request.answer("here").await; true }
                    request = other.request() => { request.answer("there").await; false }
                };
            };
            let (answer, ()) = tokio::join!(caller.get(&agent.welcome.url).send(), answered);
            assert_eq!(answer.unwrap().status(), 200);
        }
    })
    .await;
}

#[tokio::test]
async fn callers_are_sent_there_when_the_agent_has_arrived() {
    let relay = relay().start_relay();
    let before = first(&relay).await;
    assert!(!before.welcome.awaited);
    let mut after = open(&relay, moving(1, &before)).await.unwrap();
    assert!(after.welcome.awaited);
    assert_serves(&relay, &before).await;
    after.sender.send(&FromAgent::Arrived).await.unwrap();
    serves_next(&relay, &after, &before).await;
    // What was left is closed by its agent, and that takes nothing along.
    before.connection.close(CloseCode::Done, "goodbye");
    assert_serves(&relay, &after).await;
}

#[tokio::test]
async fn whoever_does_not_arrive_goes_on_where_it_was() {
    let relay = relay().start_relay();
    let before = first(&relay).await;
    // The second one takes the place of the first that did not arrive.
    let lost = open(&relay, moving(1, &before)).await.unwrap();
    let lost_too = open(&relay, moving(2, &before)).await.unwrap();
    assert_eq!(closed(&lost.connection).await.0, Some(CloseCode::Replaced));
    assert_serves(&relay, &before).await;
    lost_too.connection.close(CloseCode::Done, "goodbye");
    for _ in 0..20 {
        assert_serves(&relay, &before).await;
    }
    let mut after = open(&relay, moving(3, &before)).await.unwrap();
    after.sender.send(&FromAgent::Arrived).await.unwrap();
    serves_next(&relay, &after, &before).await;
}

#[tokio::test]
async fn where_nothing_is_left_nobody_waits() {
    let relay = relay().start_relay();
    let before = first(&relay).await;
    let after = open(&relay, moving(1, &before)).await.unwrap();
    before.connection.close(CloseCode::Done, "goodbye");
    let host = after.host();
    let caller = client::reqwest(&relay, &host, false);
    let (answer, ()) = tokio::join!(caller.get(&after.welcome.url).send(), async {
        after.request().await.answer("here").await;
    });
    assert_eq!(answer.unwrap().text().await.unwrap(), "here");
    // Nor where the agent says that it has nothing else.
    let again = open(&relay, coming_back(2, &after)).await.unwrap();
    assert_eq!(closed(&after.connection).await.0, Some(CloseCode::Replaced));
    assert!(!again.welcome.awaited);
    assert_serves(&relay, &again).await;
}

/// A network may hold a hello back for longer than its agent waits for the answer.
#[tokio::test]
async fn a_hello_that_comes_late_takes_nothing() {
    let relay = relay().start_relay();
    let before = first(&relay).await;
    let newest = open(&relay, coming_back(2, &before)).await.unwrap();
    assert_eq!(closed(&before.connection).await.0, Some(CloseCode::Replaced));
    for late in [moving(1, &before), coming_back(1, &before), coming_back(1, &newest)] {
        assert_eq!(open(&relay, late).await.err().expect("refused").code, RefusalCode::Superseded);
    }
    assert_serves(&relay, &newest).await;
}
