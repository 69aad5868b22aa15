//! Proofs by a command, at a DNS server that is not ours.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gantz_acme::{Hook, Responder};

use crate::authority::{ChallengeServer, Options, Pebble};
use crate::keeper::{Running, names, settings};

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("hook");
    std::fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_command_sets_both_records_and_removes_them() {
    let server = ChallengeServer::start().await;
    let pebble = Pebble::start(&Options::asking(server.dns)).await;
    let (state, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = own.path().join("log");
    let hook = script(
        own.path(),
        &format!(
            r#"case $1 in present) what=set-txt;; cleanup) what=clear-txt;; esac
            curl -sSf http://{}/$what -d "{{\"host\":\"$2\",\"value\":\"$3\"}}" && echo "$1 $2 ${{#3}}" >>{}"#,
            server.management,
            log.display()
        ),
    );
    let settings = settings(state.path(), pebble.directory(), pebble.own.trust());
    let mut running = Running::start(settings, Responder::Hook(Hook::new(&hook)));
    let certificate = running.certificate().await;
    assert_eq!(names(&certificate), ["DNSName(*.relay.example)", "DNSName(relay.example)"]);
    let lines = std::fs::read_to_string(log).unwrap();
    let name = "_acme-challenge.relay.example. 43\n";
    assert_eq!(lines, format!("present {name}present {name}cleanup {name}cleanup {name}"));
}

#[tokio::test]
async fn a_command_that_fails_is_told_of_in_its_own_words() {
    let server = ChallengeServer::start().await;
    let pebble = Pebble::start(&Options::asking(server.dns)).await;
    let (state, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hook = script(own.path(), "echo 'no such zone' >&2; exit 3");
    let settings = settings(state.path(), pebble.directory(), pebble.own.trust());
    let mut running = Running::start(settings.clone(), Responder::Hook(Hook::new(&hook)));
    let trouble = running.trouble().await;
    let expected = format!("hook {} present: exit status: 3: no such zone", hook.display());
    assert_eq!(trouble, expected);
    let missing = own.path().join("missing");
    let mut running = Running::start(settings, Responder::Hook(Hook::new(&missing)));
    assert!(running.trouble().await.contains("No such file"));
}
