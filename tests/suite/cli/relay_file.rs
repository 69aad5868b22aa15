//! The relay's file: what neither flags nor environment say, and what is wrong with it.

use std::time::Duration;

use gantz_tests::lasting_port;

use crate::process::Cli;
use crate::screens::assert_screen;
use crate::{Folder, gantz_relay};

/// Serves by what the file and `more` say.
fn serve(more: &str, file: &str) -> Cli {
    gantz_relay(&format!("serve --config etc/relay.yaml {more}")).file("etc/relay.yaml", file)
}

/// A file that a relay can serve by on this port.
fn whole(port: u16) -> String {
    format!(
        "# of this relay\ndomain: relay.test\nlisten: 127.0.0.1:{port}\nadmin_listen: 127.0.0.1:0\ntls: self-signed\n\
         access: open\nstate_dir: state\naudit_log: logs/audit.log\ntrusted_proxies:\n  - 10.0.0.0/8\n  - 192.0.2.7/32\n\
         max_body: 1MiB\nmax_connections: 100\nkeep_names: 0\nverbose: 1\ntake_over: true\nlog_format: json\n"
    )
}

#[tokio::test]
async fn everything_can_come_from_a_file_and_its_paths_begin_there() {
    let (folder, port) = (Folder::new(), lasting_port());
    let mut running = serve("", &whole(port)).within(&folder).file("etc/relay.yaml", &whole(port)).start();
    let line = running.stderr.line("relay serves").await;
    assert!(line.starts_with('{') && line.contains(&format!("127.0.0.1:{port}")), "{line}");
    for made in ["etc/state/ca.pem", "etc/logs/audit.log"] {
        assert!(folder.path().join(made).exists(), "{made}");
    }
    running.signal("TERM").await;
    assert_eq!(running.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_flag_is_heard_before_the_environment_and_that_before_the_file() {
    let (flag, variable, file) = (lasting_port(), lasting_port(), lasting_port());
    let cli = |more: &str| serve(more, &whole(file)).env("GANTZ_RELAY_LOG_FORMAT", "text");
    for (cli, port) in [
        (cli(&format!("--listen 127.0.0.1:{flag}")).env("GANTZ_RELAY_LISTEN", &format!("127.0.0.1:{variable}")), flag),
        (cli("").env("GANTZ_RELAY_LISTEN", &format!("127.0.0.1:{variable}")), variable),
        (cli("").env("GANTZ_RELAY_LISTEN", ""), file),
    ] {
        let mut running = cli.start();
        let line = running.stderr.line("relay serves").await;
        assert!(line.contains(&format!("public=127.0.0.1:{port}")), "{line}");
    }
    let by_variable =
        gantz_relay("serve").file("etc/relay.yaml", &whole(file)).env("GANTZ_RELAY_CONFIG", "etc/relay.yaml");
    by_variable.start().stderr.line("relay serves").await;
}

#[tokio::test]
async fn what_is_wrong_names_file_and_line() {
    let mut screens = Vec::new();
    for rest in [
        "lisen: 127.0.0.1:0",
        "xyzzy: 1",
        "listen: 8443",
        "max_body: huge",
        "max_connections: [1, 2]",
        "max_streams: 70000",
        "trusted_proxies: 10.0.0.0/8",
        "trusted_proxies:\n  - 10.0.0.0/8\n  - 10.0.0.1",
        "tls: letsencrypt",
        "take_over: perhaps",
        "verbose: 3",
        "verbose: a lot",
        "drain: 5",
        "domain: other.test",
        "acme_email: relay.test",
        "json: true",
        "config: other.yaml",
        "listen: {port: 443}",
        "no colon",
        "\"open",
    ] {
        let screen = serve("", &format!("# of this relay\ndomain: relay.test\n{rest}\n")).screen(2).await;
        screens.push(format!("{rest}\n{screen}"));
    }
    assert_screen!("relay_file", screens.join("\n\n"));
}

#[tokio::test]
async fn a_file_that_is_asked_for_has_to_be_there() {
    let all = [
        gantz_relay("serve --config missing.yaml").screen(2).await,
        gantz_relay("serve --config folder").file("folder/inside", "").screen(2).await,
        gantz_relay("serve").screen(2).await,
    ];
    assert_screen!("relay_file_missing", all.join("\n\n"));
}

#[tokio::test]
async fn two_of_a_file_that_contradict_each_other_are_named_and_an_earlier_layer_beats_them() {
    let both = "domain: relay.test\ntls: off\ntls_cert: cert.pem\n";
    let by_file = serve("", both).screen(2).await;
    assert_screen!("relay_file_contradiction", by_file);
    // Files that are heard first are looked for, beside the file that names the other one.
    let beaten = serve(
        "--tls-cert cert.pem --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0",
        "domain: relay.test\ntls: off\ntls_key: key.pem\n",
    )
    .end()
    .await;
    assert!(beaten.stderr.contains("certificate cert.pem:"), "{beaten}");
    let rest = "domain: relay.test\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\naccess: open\ntls_key: key.pem\n";
    let mut running = serve("--tls off --state-dir state", rest).start();
    tokio::time::timeout(Duration::from_secs(60), running.stderr.line("relay serves")).await.unwrap();
}
