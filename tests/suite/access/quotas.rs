//! What a key may have: so many tunnels, some names, so many calls.

use crate::{Relay, Run};

#[tokio::test]
async fn a_key_has_no_more_tunnels_than_it_may_have() {
    let relay = Relay::start().await;
    let key = relay.key("--label alice --tunnels 1").await;
    let first = relay.open(&key, "").await;
    let screen = relay.refused(Some(&key), "").await;
    assert!(screen.contains("has 1 tunnel open, as many as it may have"), "{screen}");
    first.leave().await;
    // Another's is not counted.
    let other = relay.key("--label bob --tunnels 1").await;
    let (second, third) = (relay.open(&key, "").await, relay.open(&other, "").await);
    second.leave().await;
    third.leave().await;
}

#[tokio::test]
async fn who_comes_back_needs_no_room_for_two() {
    let relay = Relay::start().await;
    let key = relay.key("--label alice --tunnels 1").await;
    let folder = crate::Folder::new();
    let run = || relay.run(Some(&key), "--name tools").within(&folder);
    let first = Run::ready(run().start()).await;
    // Without a word: the relay counts it until it has fallen silent.
    first.running.signal("KILL").await;
    first.running.end().await;
    let second = Run::ready(run().start()).await;
    assert_eq!(second.name, "tools");
    second.leave().await;
}

#[tokio::test]
async fn a_key_is_for_its_names() {
    let relay = Relay::start().await;
    let key = relay.key("--label alice --names alice-*,shared").await;
    for name in ["alice-tools", "shared"] {
        let run = relay.open(&key, &format!("--name {name}")).await;
        assert_eq!(run.name, name);
        run.leave().await;
    }
    for name in ["malice-tools", "alice"] {
        let screen = relay.refused(Some(&key), &format!("--name {name}")).await;
        assert!(screen.contains("is for other names"), "{screen}");
    }
    // The relay draws names for everybody.
    relay.open(&key, "").await.leave().await;
    let reserved = relay.told("names list").await;
    let reserved: Vec<_> = reserved.as_array().unwrap().iter().map(|name| name["name"].as_str().unwrap()).collect();
    assert_eq!(reserved, ["alice-tools", "shared"]);
}

#[tokio::test]
async fn its_tunnels_are_called_no_more_often_than_it_may() {
    let relay = Relay::start().await;
    let key = relay.key("--label alice --rate 2/h").await;
    let run = relay.open(&key, "").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(run.get("/nothing").send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses[2], 429, "{statuses:?}");
    assert!(!statuses[..2].contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn what_is_no_key_is_refused_with_the_words() {
    let relay = Relay::start().await;
    for (flags, why) in [
        ("--label alice --names alice/*", "is not a glob of names"),
        ("--label alice --expires yesterday", "neither a time nor a moment"),
        ("--label alice --rate often", "is not a rate"),
        ("--label alice --tunnels 0", "0"),
        ("--tunnels 5", "--label"),
    ] {
        let ended = relay.operator(&format!("key add {flags}")).await;
        assert_eq!(ended.code(), Some(2), "{ended}");
        assert!(ended.stderr.contains(why), "{ended}");
    }
}
