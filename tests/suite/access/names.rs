//! A name is reserved for the key that first asked for it.

use crate::Relay;

#[tokio::test]
async fn it_is_the_first_keys_until_it_is_released() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.key("--label alice").await, relay.key("--label bob").await);
    relay.open(&alice, "--name my-tools").await.leave().await;
    let screen = relay.refused(Some(&bob), "--name my-tools").await;
    assert!(screen.contains("is reserved for somebody else"), "{screen}");

    // It outlives a restart, and its holder needs no more than the key.
    let relay = relay.restart().await;
    let screen = relay.refused(Some(&bob), "--name My-Tools").await;
    assert!(screen.contains("is reserved for somebody else"), "{screen}");
    let list = relay.told("names list").await;
    assert_eq!((list[0]["name"].as_str(), list[0]["label"].as_str()), (Some("my-tools"), Some("alice")), "{list}");

    let revoked = relay.told("key revoke alice").await;
    assert_eq!(revoked["names"][0].as_str(), Some("my-tools"), "{revoked}");
    let screen = relay.refused(Some(&bob), "--name my-tools").await;
    assert!(screen.contains("is reserved for somebody else"), "{screen}");
    relay.told("names release my-tools").await;
    let run = relay.open(&bob, "--name my-tools").await;
    assert_eq!(run.name, "my-tools");
    run.leave().await;
    let list = relay.operator("names list").await;
    assert!(list.stdout.contains("my-tools") && list.stdout.contains("bob"), "{list}");
    assert_eq!(relay.operator("names release nobodys").await.code(), Some(1));
}

#[tokio::test]
async fn a_name_that_is_released_is_not_kept_for_who_left_it() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.key("--label alice").await, relay.key("--label bob").await);
    let held = relay.open(&alice, "--name my-tools").await;
    relay.told("names release my-tools").await;
    let screen = relay.refused(Some(&bob), "--name my-tools").await;
    assert!(screen.contains("is taken"), "{screen}");
    assert_eq!(relay.told("names list").await.as_array().unwrap().len(), 0, "who did not get it has not reserved it");
    held.leave().await;
    relay.open(&bob, "--name my-tools").await.leave().await;
    let screen = relay.refused(Some(&alice), "--name my-tools").await;
    assert!(screen.contains("is reserved for somebody else"), "{screen}");
}

#[tokio::test]
async fn another_machine_of_the_same_key_gets_it_when_it_is_free() {
    let relay = Relay::start().await;
    let alice = relay.key("--label alice").await;
    let first = relay.open(&alice, "--name my-tools").await;
    let screen = relay.refused(Some(&alice), "--name my-tools").await;
    assert!(screen.contains("is taken"), "{screen}");
    first.leave().await;
    relay.open(&alice, "--name my-tools").await.leave().await;
}
