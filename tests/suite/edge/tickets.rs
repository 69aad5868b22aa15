//! Resume tickets: they bring a name back, to whoever got them, from the relay that issued them.

use std::process::Command;
use std::time::Duration;

use gantz_relay::Relay;
use gantz_shared::control::{FromRelay, Hello, RefusalCode, Run, Secret};
use gantz_shared::reset::CloseCode;
use gantz_tests::{DOMAIN, binaries, client, relay, within};

use super::raw_agent::{RawAgent, closed, hello, open, wanting};

fn with(ticket: &Secret) -> Hello {
    Hello { resume: Some(ticket.clone()), ..hello() }
}

/// Opens a tunnel and breaks it off without a goodbye; returns when the relay has noticed.
async fn crashed(relay: &Relay, name: &str) -> Secret {
    let agent = open(relay, wanting(name)).await.unwrap();
    let (ticket, host, url) = (agent.welcome.resume.clone(), agent.host(), agent.welcome.url.clone());
    agent.connection.close(CloseCode::Protocol, "crash");
    let caller = client::reqwest(relay, &host, false);
    within("the relay to notice", async {
        while caller.get(&url).send().await.unwrap().headers()["gantz-error"] != "agent_offline" {}
    })
    .await;
    ticket
}

fn short_hold() -> Relay {
    relay().relay_config(|config| config.hold = Duration::from_millis(10)).start_relay()
}

async fn assert_serves(relay: &Relay, agent: &RawAgent) {
    let caller = client::reqwest(relay, &agent.host(), false);
    let (answer, ()) =
        tokio::join!(caller.get(&agent.welcome.url).send(), async { agent.request().await.answer("here").await });
    assert_eq!(answer.unwrap().text().await.unwrap(), "here");
}

#[tokio::test]
async fn a_name_is_kept_for_the_holder_of_its_ticket() {
    let relay = short_hold();
    let ticket = crashed(&relay, "mine").await;
    let refused = open(&relay, wanting("mine")).await.err().expect("refused");
    assert_eq!(refused.code, RefusalCode::NameTaken);
    // With the wish for the same name, as an agent that was started with one says it.
    let back = open(&relay, Hello { wanted_name: Some("Mine".into()), ..with(&ticket) }).await.unwrap();
    assert_eq!(back.welcome.name.as_str(), "mine");
    assert_serves(&relay, &back).await;
}

#[tokio::test]
async fn a_ticket_closes_the_ghost() {
    let relay = short_hold();
    let ghost = open(&relay, wanting("mine")).await.unwrap();
    let back = open(&relay, with(&ghost.welcome.resume)).await.unwrap();
    assert_eq!(closed(&ghost.connection).await.0, Some(CloseCode::Replaced));
    assert_eq!((&back.welcome.name, &back.welcome.url), (&ghost.welcome.name, &ghost.welcome.url));
    assert_serves(&relay, &back).await;
    // The ghost's end does not take the name along; its ticket is as good as the new one.
    let again = open(&relay, with(&ghost.welcome.resume)).await.unwrap();
    assert_eq!(closed(&back.connection).await.0, Some(CloseCode::Replaced));
    assert_serves(&relay, &again).await;
}

#[tokio::test]
async fn a_wrong_ticket_is_none() {
    let relay = short_hold();
    let holder = open(&relay, wanting("mine")).await.unwrap();
    let good = holder.welcome.resume.reveal().to_owned();
    let stranger = open(&short_hold(), wanting("mine")).await.unwrap().welcome.resume;
    let flipped = |at: usize| {
        let mut ticket = good.clone().into_bytes();
        ticket[at] = if ticket[at] == b'A' { b'B' } else { b'A' };
        Secret::new(String::from_utf8(ticket).unwrap())
    };
    let cut = Secret::new(good[..good.len() - 4].to_owned());
    let wrong = [
        stranger,
        flipped(0),
        flipped(14),
        flipped(good.len() / 2),
        flipped(good.len() - 8),
        cut,
        Secret::new(String::new()),
        Secret::new("mine".into()),
        Secret::new("A".repeat(1_000)),
        Secret::new("not base64url!".into()),
    ];
    for ticket in wrong {
        let agent = open(&relay, with(&ticket)).await.unwrap();
        assert_ne!(agent.welcome.name, holder.welcome.name);
        let refused = open(&relay, Hello { wanted_name: Some("mine".into()), ..with(&ticket) }).await.err();
        assert_eq!(refused.expect("refused").code, RefusalCode::NameTaken);
    }
    // A ticket is bound to its access key.
    let other = Hello { access_key: Some(Secret::new("gzk_other".into())), ..with(&holder.welcome.resume) };
    assert_ne!(open(&relay, other).await.unwrap().welcome.name, holder.welcome.name);
    assert_serves(&relay, &holder).await;
}

#[tokio::test]
async fn a_new_wish_is_worth_more_than_an_old_ticket() {
    let relay = short_hold();
    let old = open(&relay, wanting("old")).await.unwrap();
    let new = open(&relay, Hello { wanted_name: Some("new".into()), ..with(&old.welcome.resume) }).await.unwrap();
    assert_eq!(new.welcome.name.as_str(), "new");
    assert_serves(&relay, &old).await;
}

#[tokio::test]
async fn a_ticket_outlives_the_relay_that_keeps_its_state() {
    let state = tempfile::tempdir().unwrap();
    let start = || relay().relay_config(|config| config.state_dir = Some(state.path().to_owned())).start_relay();
    let before = start();
    let agent = open(&before, wanting("mine")).await.unwrap();
    let (name, ticket) = (agent.welcome.name.clone(), agent.welcome.resume.clone());
    drop(before);
    let after = start();
    // Whoever is quicker gets nothing: the name is kept for who had it.
    let rival = open(&after, wanting(name.as_str())).await.err().expect("refused");
    assert_eq!(rival.code, RefusalCode::NameTaken);
    assert!(rival.retry_after.is_some(), "{}", rival.message);
    assert_eq!(open(&after, with(&ticket)).await.unwrap().welcome.name, name);
    let without_state = relay().start_relay();
    assert_ne!(open(&without_state, with(&ticket)).await.unwrap().welcome.name, name);
}

/// Whoever has given a name up where names are given on has no more right to it than others.
#[tokio::test]
async fn a_ticket_of_before_does_not_take_a_name_from_its_new_holder() {
    let relay = relay().relay_config(|config| config.keep_names = Duration::ZERO).start_relay();
    let old = open(&relay, wanting("mine")).await.unwrap();
    let ticket = old.welcome.resume.clone();
    old.connection.close(CloseCode::Done, "goodbye");
    let new = within("the name", async {
        loop {
            match open(&relay, elsewhere(wanting("mine"))).await {
                Ok(agent) => return agent,
                Err(refused) => assert_eq!(refused.code, RefusalCode::NameTaken),
            }
        }
    })
    .await;
    // Who wishes for the name is told; who only has the ticket gets another name.
    let wish = Hello { wanted_name: Some("mine".into()), ..with(&ticket) };
    assert_eq!(open(&relay, wish).await.err().expect("refused").code, RefusalCode::NameTaken);
    assert_ne!(open(&relay, with(&ticket)).await.unwrap().welcome.name.as_str(), "mine");
    assert_serves(&relay, &new).await;
    // And the new holder's own ticket is good.
    let back = open(&relay, with(&new.welcome.resume)).await.unwrap();
    assert_serves(&relay, &back).await;
}

/// A 404 would be the end of a caller's session; of a name that the relay forgot with its restart it knows nothing yet.
#[tokio::test]
async fn after_a_restart_names_are_waited_for() {
    let state = tempfile::tempdir().unwrap();
    let start = |hold: Duration| {
        let change = |config: &mut gantz_relay::Config| {
            config.state_dir = Some(state.path().to_owned());
            config.hold = hold;
        };
        relay().relay_config(change).start_relay()
    };
    let call = async |relay: &Relay, name: &str| {
        let host = format!("{name}.{DOMAIN}");
        let url = format!("https://{host}:{}/", relay.edge_addr().port());
        client::reqwest(relay, &host, false).get(url).send().await.unwrap()
    };
    let before = start(Duration::ZERO);
    let agent = open(&before, hello()).await.unwrap();
    let (name, ticket) = (agent.welcome.name.clone(), agent.welcome.resume.clone());
    let answer = call(&before, "never-heard-of").await;
    assert_eq!(answer.headers()["gantz-error"], "tunnel_not_found", "the first start: nobody can be on the way back");
    drop(before);

    let after = start(Duration::from_millis(200));
    let answer = call(&after, name.as_str()).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["gantz-error"]), (503, &"agent_offline".parse().unwrap()));
    assert!(answer.headers().contains_key("retry-after"));
    drop(after);

    let after = start(Duration::from_secs(20));
    let answered = async {
        // Somebody else's return does not end the wait.
        let other = open(&after, hello()).await.unwrap();
        let agent = open(&after, with(&ticket)).await.unwrap();
        agent.request().await.answer("back").await;
        (other, agent)
    };
    let (answer, _agents) = tokio::join!(call(&after, name.as_str()), answered);
    assert_eq!(answer.text().await.unwrap(), "back");
}

/// The new key does not cut anybody off: whoever is here gets a new ticket, and whoever is away comes back with the old one.
#[tokio::test]
async fn a_new_key_takes_nobodys_name() {
    // Built before there are agents, which say nothing while this thread waits.
    let program = binaries::gantz_relay();
    let state = tempfile::tempdir().unwrap();
    let relay = relay().relay_config(|config| config.state_dir = Some(state.path().to_owned())).start_relay();
    let mut here = open(&relay, wanting("here")).await.unwrap();
    let away = open(&relay, wanting("away")).await.unwrap().welcome.resume;
    let rotate = || {
        let mut command = Command::new(&program);
        let output = command.args(["tickets", "rotate", "--state-dir"]).arg(state.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let mut next = async || match within("a ticket", here.receiver.receive()).await.unwrap() {
        Some(FromRelay::Ticket { resume }) => resume,
        other => panic!("no ticket: {other:?}"),
    };
    rotate();
    let newer = next().await;
    assert_eq!(open(&relay, with(&away)).await.unwrap().welcome.name.as_str(), "away");
    rotate();
    let newest = next().await;
    assert_ne!(open(&relay, with(&away)).await.unwrap().welcome.name.as_str(), "away", "two keys later");
    assert_ne!(newer.reveal(), newest.reveal());
    assert_eq!(open(&relay, with(&newer)).await.unwrap().welcome.name.as_str(), "here");
    assert_eq!(open(&relay, with(&newest)).await.unwrap().welcome.name.as_str(), "here");
}

/// So many openings of a process came before this one.
fn run(id: &str, opening: u64) -> Option<Run> {
    Some(Run { id: id.to_owned(), opening })
}

/// As another process says it, that has a copy of what this one knows.
fn elsewhere(hello: Hello) -> Hello {
    Hello { run: run("another one", 0), ..hello }
}

#[tokio::test]
async fn an_agent_whose_tunnel_went_on_elsewhere_does_not_get_it_back() {
    let relay = short_hold();
    let ghost = open(&relay, wanting("mine")).await.unwrap();
    let ticket = ghost.welcome.resume.clone();
    let holder = open(&relay, elsewhere(with(&ticket))).await.unwrap();
    assert_eq!(closed(&ghost.connection).await.0, Some(CloseCode::Replaced));
    for moves in [false, true] {
        let refused = open(&relay, Hello { moves, ..with(&ticket) }).await.err().expect("refused");
        assert_eq!((refused.code, refused.retry_after), (RefusalCode::Superseded, None), "moves: {moves}");
    }
    assert_serves(&relay, &holder).await;
    // Nor while the holder is away for a moment, who does come back, also as another process with its newest ticket.
    let newest = holder.welcome.resume.clone();
    holder.connection.close(CloseCode::Protocol, "crash");
    let refused = open(&relay, with(&ticket)).await.err().expect("refused");
    assert_eq!(refused.code, RefusalCode::Superseded);
    let again = Hello { run: run("a third one", 0), ..with(&newest) };
    assert_serves(&relay, &open(&relay, again).await.unwrap()).await;
}

#[tokio::test]
async fn after_a_restart_of_the_relay_the_newer_ticket_and_the_later_claim_win() {
    let state = tempfile::tempdir().unwrap();
    let start = || {
        let configured = relay().relay_config(|config| {
            config.state_dir = Some(state.path().to_owned());
            config.keep_names = Duration::ZERO;
        });
        configured.start_relay()
    };
    // One who has given the name up, and the next one, whose tunnel has gone on elsewhere.
    let before = start();
    let old = open(&before, wanting("mine")).await.unwrap();
    let oldest = old.welcome.resume.clone();
    old.connection.close(CloseCode::Done, "goodbye");
    let ghost = within("the name", async {
        loop {
            match open(&before, elsewhere(wanting("mine"))).await {
                Ok(agent) => return agent,
                Err(refused) => assert_eq!(refused.code, RefusalCode::NameTaken),
            }
        }
    })
    .await;
    let older = ghost.welcome.resume.clone();
    let newest = open(&before, Hello { run: run("a third one", 0), ..with(&older) }).await.unwrap();
    let newest = newest.welcome.resume.clone();
    drop(before);

    let after = start();
    let refused = open(&after, with(&oldest)).await.err().expect("refused");
    assert!(refused.code == RefusalCode::NameTaken && refused.retry_after.is_some(), "{}", refused.message);
    let second = open(&after, elsewhere(with(&older))).await.unwrap();
    let third = open(&after, Hello { run: run("a third one", 0), ..with(&newest) }).await.unwrap();
    assert_eq!(closed(&second.connection).await.0, Some(CloseCode::Replaced));
    assert_eq!(third.welcome.name.as_str(), "mine");
    let refused = open(&after, elsewhere(with(&older))).await.err().expect("refused");
    assert_eq!(refused.code, RefusalCode::Superseded);
    assert_serves(&after, &third).await;
}
