//! An agent that says nothing any more, as a laptop that falls asleep: new calls are not sent into the silence.

use std::time::Duration;

use gantz_agent::config::Transports;
use gantz_tests::link::{blocked, fair};
use gantz_tests::{World, echo, relay, within};

/// A world over QUIC, whose relay holds calls for so long.
async fn world(hold: Duration) -> World {
    relay()
        .server(echo())
        .link(fair())
        .relay_config(move |config| config.hold = hold)
        .agent_config(|config| config.transports = Transports::Quic)
        .start()
        .await
}

fn call(world: &World) -> impl Future<Output = reqwest::Result<reqwest::Response>> + Send + 'static {
    world.post("/").bearer_auth(&world.token).body("still there").send()
}

/// Sends a call that the agent does not get, and waits until that is noticed.
async fn fall_silent(world: &World) -> tokio::task::JoinHandle<reqwest::Result<reqwest::Response>> {
    world.link.as_ref().unwrap().set(blocked());
    let lost = tokio::spawn(call(world));
    // The call is on its way when the relay has sent it, of which nobody hears: after so long it certainly is.
    tokio::time::sleep(Duration::from_secs(3)).await;
    lost
}

#[tokio::test]
async fn a_call_to_a_silent_agent_is_held_and_then_answered_as_if_it_were_away() {
    let world = world(Duration::from_millis(200)).await;
    assert_eq!(within("an answer", call(&world)).await.unwrap().status(), 200);
    let lost = fall_silent(&world).await;
    let answer = within("503", call(&world)).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["gantz-error"], "agent_offline");
    // What was sent before is not sent again, but it may still arrive.
    assert!(!lost.is_finished());
}

#[tokio::test]
async fn a_call_that_is_held_goes_through_when_the_agent_is_heard_again() {
    let world = world(Duration::from_secs(25)).await;
    let lost = fall_silent(&world).await;
    let held = tokio::spawn(call(&world));
    world.link.as_ref().unwrap().set(fair());
    for answer in [held, lost] {
        let answer = within("the held call", answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "still there");
    }
}
