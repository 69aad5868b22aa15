//! Secrets are shown to who asked to see them, and nowhere else.

use gantz_tests::echo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::process::{Cli, Running};
use crate::{RelayProcess, gantz};

#[tokio::test]
async fn help_shows_no_value_of_the_environment() {
    for flag in ["-h", "--help"] {
        let ended = gantz("run")
            .arg(flag)
            .env("GANTZ_TOKEN", "canary")
            .env("GANTZ_KEY", "canary")
            .env("GANTZ_UPSTREAM_HEADER", "Authorization: canary")
            .env("GANTZ_NAME", "canary")
            .end()
            .await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(ended.stdout.contains("GANTZ_TOKEN") && !ended.stdout.contains("canary"), "{ended}");
    }
}

/// A token of the user's own, a key and a field, none of which may be in a log.
const TOKEN: &str = "canary-canary-canary-canary-canary";

fn with_secrets(cli: Cli) -> Cli {
    cli.env("GANTZ_TOKEN", TOKEN)
        .env("GANTZ_KEY", "gzk_canary")
        .env("GANTZ_UPSTREAM_HEADER", "X-Secret: canary")
        // The most that can be asked for, of everything that logs.
        .env("GANTZ_LOG", "trace")
}

/// Ends both; what they have written holds no canary but in the lines that show it to its owner.
async fn assert_discreet(running: Running, relay: RelayProcess) {
    running.signal("INT").await;
    let ended = running.end().await;
    assert!(ended.stderr.contains("TRACE") && ended.stderr.contains("tunnel opened"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("canary"), "{}", lines_with_canary(&ended.stderr));
    let shown = |line: &&str| line.contains("ready") || line.contains("Auth Token:") || line.contains("try it:");
    assert!(ended.stdout.lines().filter(|line| !shown(line)).all(|line| !line.contains("canary")), "{}", ended.stdout);
    relay.running.signal("TERM").await;
    let ended = relay.running.end().await;
    assert!(ended.stderr.contains("TRACE"), "{ended}");
    assert!(!ended.to_string().contains("canary"), "{}", lines_with_canary(&ended.to_string()));
}

fn lines_with_canary(text: &str) -> String {
    text.lines().filter(|line| line.contains("canary")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn logs_hold_no_secret_at_any_level() {
    let server = echo();
    for format in ["text", "json"] {
        let relay = RelayProcess::talkative(format).await;
        let run = format!("{} --auth --name=tools --json --log-requests -vv --log-format {format}", server.address());
        let mut running = with_secrets(relay.run(&run)).start();
        running.stdout.line("ready").await;
        let call = relay.get("tools", "/mcp?token=canary").bearer_auth(TOKEN).body("canary");
        assert_eq!(call.send().await.unwrap().text().await.unwrap(), "canary");
        assert_eq!(relay.get("tools", "/mcp").bearer_auth("canary-wrong").send().await.unwrap().status(), 401);
        running.stdout.line("request").await;
        assert_eq!(server.last().fields["x-secret"], "canary");
        assert_discreet(running, relay).await;
    }
}

#[tokio::test]
async fn logs_of_an_https_edge_hold_no_secret_with_http_2() {
    let server = echo();
    let relay = RelayProcess::talkative_tls().await;
    let mut running = with_secrets(relay.run(&format!("{} --auth --name=tools", server.address()))).start();
    running.stdout.line("Auth Token:").await;
    let url = format!("https://tools.relay.test:{}/mcp?token=canary", relay.port);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(relay.ca()).unwrap()).unwrap();
    let client = crate::relay_process::client(&url, roots);
    for (token, status) in [(TOKEN, 200), ("canary-wrong", 401)] {
        let call = client.post(&url).header("x-api-key", token).header("x-secret", "canary").body("canary");
        let answer = call.send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, status));
        answer.bytes().await.unwrap();
    }
    assert_discreet(running, relay).await;
}

#[tokio::test]
async fn logs_of_the_demo_do_not_tell_what_callers_say() {
    let relay = RelayProcess::talkative("text").await;
    // Not even where it is asked for by name.
    let run = with_secrets(relay.run("--demo --auth --name=tools")).env("GANTZ_LOG", "trace,rmcp=trace");
    let mut running = run.start();
    running.stdout.line("Auth Token:").await;
    let call = serde_json::json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "echo",
            "arguments": { "message": "canary" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let url = format!("http://tools.relay.test:{}/mcp", relay.port);
    let answer = crate::relay_process::client(&url, rustls::RootCertStore::empty())
        .post(&url)
        .bearer_auth(TOKEN)
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo")
        .body(call.to_string());
    let answer = answer.send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("canary"), "{answer}");
    assert_discreet(running, relay).await;
}
