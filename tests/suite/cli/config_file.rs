//! `gantz.yaml` and the user's file, when something is wrong with them: file and line, and never a value.

use crate::gantz;
use crate::screens::assert_screen;

/// A file with a secret, and what comes after it.
fn file(rest: &str) -> String {
    format!("# of this project\ntoken: canary-canary-canary-canary\n{rest}\n")
}

async fn screen(path: &str, text: &str) -> String {
    let ended = gantz("run 8090").file(path, text).end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(!ended.to_string().contains("canary"), "{ended}");
    ended.to_string()
}

#[tokio::test]
async fn an_unknown_key_names_file_line_and_the_nearest_key() {
    assert_screen!("unknown_key", screen("gantz.yaml", &file("relya: relay.example.com")).await);
}

#[tokio::test]
async fn an_unknown_key_like_no_other_lists_what_there_is() {
    assert_screen!("unknown_key_like_no_other", screen("gantz.yaml", &file("xyzzy: 1")).await);
}

#[tokio::test]
async fn the_users_file_is_named_by_its_path() {
    let ended = screen("config/gantz/config.yaml", &file("relya: relay.example.com")).await;
    assert!(ended.contains("config/gantz/config.yaml, line 3"), "{ended}");
}

#[tokio::test]
async fn what_is_not_a_configuration_says_where_and_repeats_no_value() {
    let mut screens = Vec::new();
    for rest in [
        "auth: canary",
        "key: \"canary",
        "key: [canary, canary]",
        "log_requests: canary",
        "canary",
        "key: canary\nkey: canary",
        "key: *canary",
        "print_config: canary",
        "demo: canary",
        "verbose: canary",
        "log_format: canary",
        "token_ttl: {canary: 1}",
        "auth: [",
        "auth: {canary: 1}",
        "print_config: [canary]",
    ] {
        screens.push(format!("{}\n{}", rest.replace("canary", "…"), screen("gantz.yaml", &file(rest)).await));
    }
    assert_screen!("not_a_configuration", screens.join("\n\n"));
}

#[tokio::test]
async fn a_bad_value_names_file_and_key() {
    let mut screens = Vec::new();
    for (target, rest) in [
        ("run --auth", "target: ftp://x"),
        ("run --auth 1", "token_ttl: soon"),
        ("run --auth 1", "relay: a:b"),
        ("run --auth 1", "local_listen: \"8080\""),
    ] {
        let ended = gantz(target).file("gantz.yaml", &file(rest)).end().await;
        assert_eq!(ended.code(), Some(2), "{ended}");
        screens.push(ended.to_string());
    }
    assert_screen!("bad_value_in_file", screens.join("\n\n"));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_passed_over() {
    assert_screen!("unreadable_file", screen("gantz.yaml/inside", "a folder where the file should be").await);
}
