//! The first start of a relay: keys are asked for, and there is one.

use crate::{Key, Relay};

#[tokio::test]
async fn makes_one_key_and_prints_the_command_once() {
    let mut relay = Relay::start().await;
    let line = relay.running.stdout.line("gantz login").await;
    let words: Vec<&str> = line.split(' ').collect();
    let address = format!("relay.test:{}", relay.port);
    let ["gantz", "login", told, "--key", secret, "--fingerprint", fingerprint] = words[..] else { panic!("{line}") };
    assert_eq!(told, address);
    assert_eq!((&secret[..4], secret.len(), fingerprint.len()), ("gzk_", 47, 95));
    let key = Key { id: String::new(), secret: secret.to_owned() };
    relay.assert_silent_about(&key);
    let run = relay.open(&key, "").await;
    run.leave().await;
    assert_eq!(relay.running.stdout.now().lines().count(), 1);

    let relay = relay.restart().await;
    relay.open(&key, "").await.leave().await;
    assert_eq!(relay.running.stdout.now(), "");
    let list = relay.told("key list").await;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!((list[0]["label"].as_str(), list[0]["revoked_at"].as_str()), (Some("first"), None));
    relay.assert_silent_about(&key);
}

#[tokio::test]
async fn without_a_key_nobody_comes_in() {
    let relay = Relay::start().await;
    let wrong = Key { id: String::new(), secret: format!("gzk_{}", "x".repeat(43)) };
    for (key, why) in [(None, "none was shown"), (Some(&wrong), "none of this relay's")] {
        let screen = relay.refused(key, "").await;
        assert!(screen.contains(why), "{screen}");
        assert!(!screen.contains("xxxx"), "{screen}");
    }
}

#[tokio::test]
async fn open_is_said_warned_of_and_limited() {
    let port = gantz_tests::lasting_port();
    let mut relay = Relay::start_again(port, crate::Folder::new(), "--access open --max-tunnels-per-source 1").await;
    relay.running.stderr.line("--access open: everybody").await;
    assert_eq!(relay.running.stdout.now(), "");
    let run = crate::Run::ready(relay.run(None, "").start()).await;
    let screen = relay.refused(None, "").await;
    assert!(screen.contains("as many tunnels as one may have"), "{screen}");
    run.leave().await;
}
