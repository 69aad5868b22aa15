//! `gantz-relay config check`: what is heard of whom, and all that is wrong, with nothing changed.

use std::net::{TcpListener, UdpSocket};

use gantz_tests::lasting_port;
use serde_json::Value;

use crate::process::Cli;
use crate::screens::assert_screen;
use crate::{Folder, RelayProcess, gantz_relay};

const FINE: &str = "--domain relay.test --tls self-signed --admin-listen 127.0.0.1:0";

fn check(args: &str) -> Cli {
    gantz_relay(&format!("config check {args}"))
}

/// What is wrong, of a report in JSON.
async fn wrong(cli: Cli) -> Vec<String> {
    let ended = cli.arg("--json").end().await;
    assert_eq!((ended.code(), &*ended.stderr), (Some(2), ""), "{ended}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["ok"], false);
    report["wrong"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| format!("{} / {}", failure["what"], failure["why"]))
        .collect()
}

/// As of the compose file for IPv6, beside an `.env` that wants another certificate than by ACME.
#[tokio::test]
async fn where_a_dns_server_would_be_contradicts_no_certificate() {
    let (folder, port) = (Folder::new(), lasting_port());
    let args = format!("--domain relay.test --admin-listen 127.0.0.1:0 --listen 127.0.0.1:{port} --state-dir state");
    let cli = check(&args).env("GANTZ_RELAY_TLS", "self-signed").env("GANTZ_RELAY_ACME_DNS_LISTEN", "[::]:53");
    let ended = cli.within(&folder).end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[tokio::test]
async fn the_settings_and_where_each_comes_from() {
    let (folder, port) = (Folder::new(), lasting_port());
    let file = "domain: relay.test\ntls: self-signed\nstate_dir: state\ntrusted_proxies: [10.0.0.0/8]\n";
    let cli = || {
        check(&format!("--config relay.yaml --listen 127.0.0.1:{port}"))
            .env("GANTZ_RELAY_ADMIN_LISTEN", "127.0.0.1:0")
            .within(&folder)
            .file("relay.yaml", file)
    };
    let ended = cli().end().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    // The columns are as wide as the temporary folder's name: they are put together to be compared.
    let table: Vec<String> =
        ended.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_screen!("config_check", table.join("\n"));
    assert_eq!(ended.stderr, "");

    let ended = cli().arg("--json").end().await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&report["ok"], &report["running"]), (&true.into(), &false.into()));
    let setting = |key: &str| {
        report["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap().clone()
    };
    assert_eq!(setting("domain")["from"], "file");
    assert_eq!((&setting("domain")["file"], &setting("domain")["line"]), (&"relay.yaml".into(), &1.into()));
    assert_eq!(setting("listen")["from"], "flag");
    assert_eq!(setting("admin_listen")["from"], "environment");
    assert_eq!((&setting("drain")["from"], &setting("drain")["values"][0]), (&"default".into(), &"30s".into()));
    let made: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(made, ["relay.yaml"], "something was made");
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let file =
        "domain: relay.test\nlisen: 127.0.0.1:0\nmax_body: huge\ntls: files\ntls_cert: cert.pem\ntls_key: key.pem\n";
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let cli = check("--config relay.yaml --listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --state-dir state")
        .file("relay.yaml", file)
        .file("state", "a file")
        .env("GANTZ_RELAY_DRAIN", "soon")
        .env("GANTZ_RELAY_LOG", "=")
        .env("GANTZ_RELAY_ADMIN_LISTEN", &taken.local_addr().unwrap().to_string());
    let ended = cli.end().await;
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(ended.stdout.contains("things are wrong"), "{ended}");
    assert_screen!("config_check_wrong", ended.stderr);
}

#[tokio::test]
async fn ports_that_are_taken_unless_it_is_by_the_relay_itself() {
    let port = lasting_port();
    let _taken = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let wrong_ones = wrong(check(&format!("{FINE} --state-dir state --listen 127.0.0.1:{port}"))).await;
    assert_eq!(wrong_ones.len(), 1, "{wrong_ones:?}");
    assert!(wrong_ones[0].contains(&format!("cannot listen on 127.0.0.1:{port} (UDP)")), "{wrong_ones:?}");
    let twice = lasting_port();
    let flags = format!("--domain relay.test --tls off --state-dir state --listen 127.0.0.1:{twice}");
    let wrong_ones = wrong(check(&format!("{flags} --admin-listen 127.0.0.1:{twice}"))).await;
    assert!(wrong_ones.len() == 1 && wrong_ones[0].contains("(TCP)"), "{wrong_ones:?}");

    let relay = RelayProcess::start().await;
    let state = relay.ca().parent().unwrap().display().to_string();
    let flags = format!("--domain relay.test --tls off --access open --listen 127.0.0.1:{}", relay.port);
    let fine = check(&format!("{flags} --admin-listen 127.0.0.1:0")).arg(format!("--state-dir={state}")).end().await;
    assert_eq!(fine.code(), Some(0), "{fine}");
    assert!(fine.stdout.contains("a relay runs with this state folder"), "{fine}");
    // It goes on, and nothing was asked of it.
    assert!(!relay.running.stderr.now().contains("another process asked"), "{}", relay.running.stderr.now());
    let other = wrong(check(&format!("{flags} --admin-listen 127.0.0.1:0 --state-dir other"))).await;
    assert_eq!(other.len(), 2, "TCP and UDP: {other:?}");
}

#[tokio::test]
async fn a_state_folder_that_does_not_do() {
    let base = format!("{FINE} --listen 127.0.0.1:0 --state-dir state");
    let state = |path: &str, text: &str| check(&base).file(path, text);
    for (cli, word) in [
        (state("state", "a file"), "not a directory"),
        (check(&format!("{FINE} --listen 127.0.0.1:0 --state-dir file/below")).file("file", ""), "not a directory"),
        (state("state/ticket.key", "short"), "32 bytes"),
        (state("state/reset.key", "short"), "32 bytes"),
        (state("state/ca.pem", "-----BEGIN CERTIFICATE-----"), "ca.key"),
        (state("state/access.db", "no database, but long enough to be taken for one"), "not a database"),
        (state("state/audit/audit.log/inside", ""), "audit log"),
    ] {
        let found = wrong(cli).await;
        assert!(found.len() == 1 && found[0].to_lowercase().contains(word), "{word}: {found:?}");
    }
}

#[tokio::test]
async fn a_database_of_a_later_version_and_what_lies_beside_one_that_is_closed() {
    let folder = Folder::new();
    let made = gantz_relay("key add --label alice --state-dir state").within(&folder).end().await;
    assert_eq!(made.code(), Some(0), "{made}");
    let list = || {
        let entries = std::fs::read_dir(folder.path().join("state")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = list();
    let cli = || check(&format!("{FINE} --listen 127.0.0.1:0 --state-dir state")).within(&folder);
    let fine = cli().end().await;
    assert_eq!(fine.code(), Some(0), "{fine}");
    assert_eq!(list(), before);
    let database = rusqlite::Connection::open(folder.path().join("state/access.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let found = wrong(cli()).await;
    assert!(found.len() == 1 && found[0].contains("99"), "{found:?}");
}

#[tokio::test]
async fn settings_of_acme_are_looked_at_without_asking_anybody() {
    let acme = "--domain relay.test --tls acme --listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --state-dir state";
    let found = wrong(check(&format!("{acme} --acme-hook ./missing --acme-ca ca.pem")).file("ca.pem", "nothing")).await;
    assert!(found.len() == 1 && found[0].contains("ca.pem"), "{found:?}");
    let found = wrong(check(&format!("{acme} --acme-hook ./missing"))).await;
    assert!(found.len() == 1 && found[0].contains("./missing"), "{found:?}");
}
