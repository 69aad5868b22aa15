//! `gantz-relay serve`: what is wrong with flags, files and folders.

use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd, generate_simple_self_signed};

use crate::process::Cli;
use crate::screens::assert_screen;
use crate::{Folder, gantz_relay};

const SERVE: &str = "serve --domain relay.test --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --access open";

fn serve(args: &str) -> Cli {
    gantz_relay(&format!("{SERVE} {args}"))
}

async fn screens(code: i32, commands: &[&str]) -> String {
    let mut all = Vec::new();
    for command in commands {
        all.push(gantz_relay(command).screen(code).await);
    }
    all.join("\n\n")
}

#[tokio::test]
async fn flags_that_are_unknown_or_left_out() {
    assert_screen!("relay_flags", screens(2, &["serve --domian relay.test", "serve"]).await);
}

#[tokio::test]
async fn tickets_without_a_relay() {
    assert_screen!("no_tickets", gantz_relay("tickets rotate --state-dir nowhere").screen(1).await);
}

#[tokio::test]
async fn a_domain_that_is_none() {
    let bad = ["relay_test", "192.0.2.7", "relay.test:443", "[::1]"].map(|domain| format!("serve --domain {domain}"));
    assert_screen!("bad_domain", screens(2, &bad.each_ref().map(String::as_str)).await);
}

#[tokio::test]
async fn bad_settings_of_acme() {
    let serve = "serve --domain relay.test --tls acme";
    let bad = [
        "--acme-directory http://acme.example/directory",
        "--acme-directory production",
        "--acme-email relay.test",
        "--acme-dns-listen 53",
        "--acme-hook ./hook --acme-dns-zone acme.example",
        "--acme-challenge http-01",
        "--acme-challenge tls-alpn --acme-hook ./hook",
        "--acme-challenge http --acme-dns-listen 127.0.0.1:53",
        "--acme-challenge http --listen 127.0.0.1:0",
        "--acme-challenge tls-alpn --acme-names-per-week 0",
        "--acme-names-per-week 10",
    ];
    let commands: Vec<String> = bad.iter().map(|flags| format!("{serve} {flags}")).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    assert_screen!("relay_bad_acme", screens(2, &commands).await);
}

#[tokio::test]
async fn bad_values() {
    let serve = "serve --domain relay.test --tls off --access open";
    let bad = [
        "--listen 8443",
        "--max-body huge",
        "--drain 5",
        "--missing-token-rate 0/s",
        "--trusted-proxies 10.0.0.1",
        "--public-url relay.test",
        "--public-url https://other.test",
        "--public-url https://relay.test/path",
    ];
    let commands = bad.map(|flag| format!("{serve} {flag}"));
    assert_screen!("relay_bad_values", screens(2, &commands.each_ref().map(String::as_str)).await);
    assert_screen!("relay_bad_tls", gantz_relay("serve --domain relay.test --tls letsencrypt").screen(2).await);
}

#[tokio::test]
async fn certificate_files_that_are_missing_broken_or_strangers() {
    let make = || generate_simple_self_signed(vec!["relay.test".into()]).unwrap();
    let (CertifiedKey { cert, .. }, CertifiedKey { signing_key: other_key, .. }) = (make(), make());
    let files = "--tls files --tls-cert cert.pem --tls-key key.pem";
    let (cert, other_key) = (cert.pem(), other_key.serialize_pem());
    let all = [
        serve("--tls files").screen(2).await,
        serve("--tls files --tls-cert cert.pem").screen(2).await,
        serve(files).screen(2).await,
        serve(files).file("cert.pem", "nothing").file("key.pem", "nothing").screen(2).await,
        serve(files).file("cert.pem", &cert).file("key.pem", "nothing").screen(2).await,
        serve(files).file("cert.pem", &cert).file("key.pem", &other_key).screen(2).await,
    ];
    assert_screen!("certificate_files", all.join("\n\n"));
}

#[tokio::test]
async fn files_that_nobody_would_read_are_not_passed_over() {
    let mut all = Vec::new();
    for flags in ["--tls off --tls-cert cert.pem", "--tls self-signed --tls-key key.pem --tls-cert cert.pem"] {
        all.push(serve(flags).screen(2).await);
    }
    let variables = serve("").env("GANTZ_RELAY_TLS", "off").env("GANTZ_RELAY_TLS_KEY", "key.pem").end().await;
    assert_eq!(variables.code(), Some(2), "{variables}");
    all.push(variables.to_string());
    // A flag beats the environment: files that are heard first are looked for.
    let beaten = serve("--tls-cert cert.pem").env("GANTZ_RELAY_TLS", "off").env("GANTZ_RELAY_TLS_KEY", "key.pem");
    all.push(beaten.screen(2).await);
    assert_screen!("files_without_use", all.join("\n\n"));
    let mut running = serve("--tls off --state-dir state").env("GANTZ_RELAY_TLS_CERT", "cert.pem").start();
    running.stderr.line("relay serves").await;
}

#[tokio::test]
async fn settings_of_acme_that_nobody_would_use_are_not_passed_over() {
    let mut all = Vec::new();
    for flags in ["--tls off --acme-dns-zone acme.relay.test", "--tls self-signed --acme-challenge http"] {
        all.push(serve(flags).screen(2).await);
    }
    let variables = serve("").env("GANTZ_RELAY_TLS", "off").env("GANTZ_RELAY_ACME_DIRECTORY", "staging").end().await;
    assert_eq!(variables.code(), Some(2), "{variables}");
    all.push(variables.to_string());
    // A flag beats the environment: settings that are heard first are used, and need a listener here.
    let beaten = serve("--acme-challenge http").env("GANTZ_RELAY_TLS", "off").env("GANTZ_RELAY_ACME_HOOK", "./hook");
    all.push(beaten.screen(2).await);
    assert_screen!("acme_without_use", all.join("\n\n"));
    let mut running = serve("--tls off --state-dir state").env("GANTZ_RELAY_ACME_CHALLENGE", "http").start();
    running.stderr.line("relay serves").await;
}

#[tokio::test]
async fn a_certificate_that_is_not_for_today_or_not_for_every_name() {
    let make = |names: &[&str], [from, to]: [i32; 2]| {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        serve("--tls files --tls-cert cert.pem --tls-key key.pem")
            .file("cert.pem", &params.self_signed(&key).unwrap().pem())
            .file("key.pem", &key.serialize_pem())
    };
    const ALWAYS: [i32; 2] = [1990, 4000];
    let all = [
        make(&["relay.test", "*.relay.test"], [1990, 2001]).screen(2).await,
        make(&["relay.test", "*.relay.test"], [3999, 4000]).screen(2).await,
        make(&["relay.test"], ALWAYS).screen(2).await,
        make(&["*.relay.test"], ALWAYS).screen(2).await,
        make(&["a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "g.test"], ALWAYS).screen(2).await,
        // One name under the domain is not every name under it.
        make(&["relay.test", "tools.relay.test"], ALWAYS).screen(2).await,
        make(&[], ALWAYS).screen(2).await,
    ];
    assert_screen!("unfit_certificate", all.join("\n\n"));
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_one() {
    let file = serve("--tls off --state-dir state").file("state", "a file").screen(1).await;
    let below = serve("--tls off --state-dir state/below").file("state", "a file").screen(1).await;
    let key = serve("--tls off --state-dir state").file("state/ticket.key", "short").screen(1).await;
    assert_screen!("bad_state_folder", [file, below, key].join("\n\n"));
}

#[tokio::test]
async fn half_of_a_ca_is_not_replaced_in_silence() {
    let folder = Folder::new();
    folder.write("state/ca.pem", "-----BEGIN CERTIFICATE-----");
    let half = serve("--tls self-signed --state-dir state").within(&folder).screen(1).await;
    assert_screen!("half_a_ca", half);
}

/// Every span of time of the command line, with what no clock can count or what is over at once.
#[tokio::test]
async fn spans_that_are_too_short_or_too_long() {
    let may_be_none = ["hold", "keep-names", "drain"];
    let deadlines = [
        "sse-keep-alive",
        "handshake-timeout",
        "first-byte-timeout",
        "head-timeout",
        "idle-timeout",
        "body-timeout",
        "reader-timeout",
    ];
    let help = gantz_relay("serve --help").end().await.stdout;
    assert_eq!(help.matches("<TIME>").count(), may_be_none.len() + deadlines.len(), "a flag that is not tried: {help}");
    // A certificate that is missing ends what would go on.
    let refuses = async |flag: &str, value: &str| {
        let ended = serve(&format!("--tls files --tls-cert no.pem --tls-key no.pem --{flag} {value}")).end().await;
        assert_eq!(ended.code(), Some(2), "{ended}");
        ended.stderr.contains(&format!("the value of --{flag} <TIME> cannot be used"))
    };
    for flag in may_be_none.iter().chain(&deadlines) {
        for value in ["-1s", "1ns", "367d", "500000000000y", "99999999999999999999y", "5", ""] {
            let value = if value.is_empty() { "''" } else { value };
            assert!(refuses(flag, value).await, "--{flag} {value}");
        }
        assert!(!refuses(flag, "1ms").await && !refuses(flag, "366d").await, "--{flag}");
        assert_eq!(refuses(flag, "0").await, deadlines.contains(flag), "--{flag} 0");
    }
}
