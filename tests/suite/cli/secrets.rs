//! Secrets are shown to who asked to see them, and nowhere else.

use gantz_tests::echo;

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

#[tokio::test]
async fn logs_hold_no_secret_at_any_level() {
    let server = echo();
    for format in ["text", "json"] {
        let relay = RelayProcess::start().await;
        let mut running = relay
            .run(&format!("{} --auth --name=tools --json --log-requests -vv --log-format {format}", server.address()))
            .env("GANTZ_TOKEN", "canary-canary-canary-canary-canary")
            .env("GANTZ_KEY", "gzk_canary")
            .env("GANTZ_UPSTREAM_HEADER", "X-Secret: canary")
            // The most that can be asked for.
            .env("GANTZ_LOG", "trace,h2=debug,hyper=debug,quinn=debug,quinn_proto=debug")
            .start();
        running.stdout.line("ready").await;
        let call =
            relay.get("tools", "/mcp?token=canary").bearer_auth("canary-canary-canary-canary-canary").body("canary");
        assert_eq!(call.send().await.unwrap().text().await.unwrap(), "canary");
        assert_eq!(relay.get("tools", "/mcp").bearer_auth("canary-wrong").send().await.unwrap().status(), 401);
        running.stdout.line("request").await;
        running.signal("INT").await;
        let ended = running.end().await;
        assert!(ended.stderr.contains("tunnel opened"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
        let outside_ready = ended.stdout.lines().filter(|line| !line.contains("ready"));
        assert!(outside_ready.into_iter().all(|line| !line.contains("canary")), "{}", ended.stdout);
        relay.running.signal("TERM").await;
        let ended = relay.running.end().await;
        assert!(!ended.to_string().contains("canary"), "{ended}");
    }
}
