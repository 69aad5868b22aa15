//! Names of tunnels: random ones, wished ones, and ones that are somebody's already.

use std::collections::HashSet;
use std::time::Duration;

use gantz_relay::Relay;
use gantz_shared::control::{FromAgent, Hello, RefusalCode};
use gantz_shared::name::Name;
use gantz_tests::{client, relay, within};

use super::raw_agent::{RawAgent, hello, open, wanting};

fn is_random(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [adjective, noun, suffix] = parts[..] else { return false };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word(adjective)
        && is_word(noun)
        && suffix.len() == 6
        && suffix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[test]
fn a_thousand_random_names_are_a_thousand_names() {
    let names: HashSet<String> = (0..1_000).map(|_| Name::random(&mut rand::rng()).to_string()).collect();
    assert_eq!(names.len(), 1_000);
    assert!(names.iter().all(|name| is_random(name)));
}

#[tokio::test]
async fn without_a_wish_the_name_is_random() {
    let relay = relay().start_relay();
    let (one, two) = (open(&relay, hello()).await.unwrap(), open(&relay, hello()).await.unwrap());
    assert!(is_random(one.welcome.name.as_str()), "{}", one.welcome.name);
    assert_ne!(one.welcome.name, two.welcome.name);
    assert_eq!(one.welcome.url, format!("https://{}:{}", one.host(), relay.edge_addr().port()));
}

#[tokio::test]
async fn a_wish_is_granted_to_the_first() {
    let relay = relay().start_relay();
    let agent = open(&relay, wanting("My-Tools")).await.unwrap();
    assert_eq!(agent.welcome.name.as_str(), "my-tools");
    for wish in ["my-tools", "MY-TOOLS"] {
        let refused = open(&relay, wanting(wish)).await.err().expect("refused");
        assert_eq!(refused.code, RefusalCode::NameTaken);
        assert_eq!((refused.message.as_str(), refused.retry_after), ("the name `my-tools` is taken", None));
    }
    // The holder is not disturbed.
    let caller = client::reqwest(&relay, &agent.host(), false);
    let (answer, ()) =
        tokio::join!(caller.get(&agent.welcome.url).send(), async { agent.request().await.answer("mine").await });
    assert_eq!(answer.unwrap().text().await.unwrap(), "mine");
}

#[tokio::test]
async fn a_wish_that_is_no_name_is_refused_with_the_rule() {
    let relay = relay().start_relay();
    let long = "a".repeat(64);
    for (wish, rule) in [
        ("", "at least one character"),
        ("a.b", "only letters, digits and hyphens"),
        ("under_score", "only letters, digits and hyphens"),
        ("-a", "hyphen"),
        ("xn--80ak6aa92e", "`--`"),
        ("admin", "reserved"),
        ("Relay", "reserved"),
        (&long, "at most 63"),
        ("a\r\nb", "only letters, digits and hyphens"),
    ] {
        let refused = open(&relay, wanting(wish)).await.err().expect("refused");
        assert_eq!(refused.code, RefusalCode::InvalidName, "{wish:?}");
        assert!(refused.message.contains(rule), "{wish:?}: {}", refused.message);
    }
}

/// Says goodbye; returns when the relay has let go of the name, which callers see.
async fn goodbye(relay: &Relay, mut agent: RawAgent) {
    agent.sender.send(&FromAgent::Goodbye).await.unwrap();
    let (host, url) = (agent.host(), agent.welcome.url.clone());
    let caller = client::reqwest(relay, &host, false);
    within("the end of the tunnel", async {
        while caller.get(&url).send().await.unwrap().headers()["gantz-error"] != "tunnel_not_found" {}
    })
    .await;
}

/// Whoever got the name next would get the tokens of its callers, too.
#[tokio::test]
async fn after_a_goodbye_a_name_is_kept_for_its_holder() {
    let relay = relay().start_relay();
    let agent = open(&relay, wanting("fleeting")).await.unwrap();
    let ticket = agent.welcome.resume.clone();
    goodbye(&relay, agent).await;
    let refused = open(&relay, wanting("fleeting")).await.err().expect("refused");
    assert_eq!((refused.code, refused.retry_after), (RefusalCode::NameTaken, None));
    assert_eq!(refused.message, "the name `fleeting` is kept for whoever had it last, for 24 h more");
    let back = open(&relay, Hello { resume: Some(ticket), ..hello() }).await.unwrap();
    assert_eq!(back.welcome.name.as_str(), "fleeting");
}

#[tokio::test]
async fn an_operator_can_have_names_given_on_at_once() {
    let relay = relay().relay_config(|config| config.keep_names = Duration::ZERO).start_relay();
    let agent = open(&relay, wanting("fleeting")).await.unwrap();
    goodbye(&relay, agent).await;
    assert_eq!(open(&relay, wanting("fleeting")).await.unwrap().welcome.name.as_str(), "fleeting");
}

/// A name that the relay drew comes back only with its ticket, however long ago it was drawn.
#[tokio::test]
async fn a_drawn_name_cannot_be_asked_for() {
    let relay = relay().relay_config(|config| config.keep_names = Duration::ZERO).start_relay();
    let agent = open(&relay, hello()).await.unwrap();
    let (name, ticket) = (agent.welcome.name.clone(), agent.welcome.resume.clone());
    let steal = async || open(&relay, wanting(name.as_str())).await.err().expect("refused");
    let while_here = steal().await;
    goodbye(&relay, agent).await;
    let after = steal().await;
    assert_eq!((while_here.code, after.code), (RefusalCode::NameTaken, RefusalCode::NameTaken));
    assert_eq!(while_here.message, after.message, "nobody learns whether it is in use");
    let back = open(&relay, Hello { resume: Some(ticket), ..wanting(name.as_str()) }).await.unwrap();
    assert_eq!(back.welcome.name, name);
}
