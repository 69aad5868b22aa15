//! Output that nobody reads any more, or that cannot be written: never a panic, and the tunnel is what counts.

use gantz_tests::echo;

use crate::process::Cli;
use crate::{RelayProcess, gantz, gantz_relay};

async fn assert_no_panic(cli: Cli) -> String {
    let ended = cli.end().await;
    assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("bug"), "{ended}");
    ended.to_string()
}

#[tokio::test]
async fn a_reader_that_goes_away_is_not_an_error() {
    // The exit code of the command itself, not of what reads it.
    const HEAD: &str = r#"set -o pipefail; "$@" | head -c 1 >/dev/null; echo "${PIPESTATUS[0]}""#;
    for shell in ["bash", "zsh", "fish"] {
        for cli in [gantz("completions"), gantz_relay("completions")] {
            let ended = assert_no_panic(cli.arg(shell).script(HEAD)).await;
            assert!(ended.starts_with("[stdout]\n0\n"), "{ended}");
        }
    }
    for cli in [gantz("run --help"), gantz_relay("serve --help"), gantz("--version")] {
        assert_no_panic(cli.script(HEAD)).await;
    }
}

#[tokio::test]
async fn output_that_is_closed_from_the_start() {
    for script in [r#"exec "$@" >&-"#, r#"exec "$@" 2>&-"#, r#"exec "$@" >&- 2>&-"#] {
        for command in ["--help", "run --help", "completions bash", "run 8090", "run --auht"] {
            assert_no_panic(gantz(command).script(script)).await;
        }
        for command in ["--help", "completions zsh", "serve --domain a_b", "serve --domain a.test --tls files"] {
            assert_no_panic(gantz_relay(command).script(script)).await;
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_script_that_cannot_be_written_is_an_error() {
    let ended = gantz("completions bash").script(r#"exec "$@" >/dev/full"#).end().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    crate::screens::assert_screen!("full_disk", ended);
}

#[tokio::test]
async fn a_tunnel_goes_on_when_nobody_reads_what_it_prints() {
    let (relay, server) = (RelayProcess::start().await, echo());
    // Both ends of its output are closed after the first line of each.
    const DEAF: &str = r#"exec "$@" > >(head -n 1 >/dev/null) 2> >(head -n 1 >/dev/null)"#;
    let command = format!("{} --auth=none --name=tools --log-requests -v", server.address());
    let running = relay.run(&command).script(DEAF).start();
    let answered = async {
        // 404 until the tunnel is there; each answered call prints a line that goes nowhere.
        let mut answers = 0;
        while answers < 5 {
            let status = relay.get("tools", "/mcp").send().await.unwrap().status();
            answers += usize::from(status == 200);
        }
    };
    gantz_tests::within("five answers", answered).await;
    running.signal("TERM").await;
    assert_eq!(running.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_relay_goes_on_when_nobody_reads_its_log() {
    let mut first = gantz_relay("serve --domain relay.test --tls off --access open --state-dir state -vv")
        .arg("--listen=127.0.0.1:0")
        .arg("--admin-listen=127.0.0.1:0")
        .script(r#"exec "$@" 2> >(grep -m 1 'relay serves')"#)
        .start();
    let line = first.stdout.line("relay serves").await;
    let (_, rest) = line.split_once("public=").unwrap();
    let public = rest.split_whitespace().next().unwrap();
    for _ in 0..5 {
        // What is asked for is logged, to nobody.
        let answer = crate::relay_process::get(&format!("http://{public}/healthz")).header("host", "relay.test");
        assert_eq!(answer.send().await.unwrap().status(), 200);
    }
    first.signal("TERM").await;
    assert_eq!(first.end().await.code(), Some(0));
}
