//! What somebody does who follows the README's chapter: types commands, waits for what they bring, runs an agent.

use std::time::Duration;

use gantz_tests::{Origin, client};
use reqwest::{StatusCode, Url};
use serde_json::Value;

use crate::checkout::Checkout;
use crate::engine::Engine;
use crate::process::Cli;
use crate::readme::Section;
use crate::{Folder, Running, gantz};

/// How long a container may take to be healthy, or an agent to come back to a relay that was built again.
const SETTLED: Duration = Duration::from_secs(120);

/// A checkout, an engine that its commands are typed to, and an agent with its server.
pub(crate) struct Story {
    pub(crate) engine: Engine,
    pub(crate) checkout: Checkout,
    pub(crate) home: Folder,
    pub(crate) server: Origin,
}

impl Story {
    pub(crate) async fn types(&self, command: &str) -> String {
        self.engine.says(self.checkout.path(), command).await
    }

    /// Types `command` until `found` accepts what it says.
    pub(crate) async fn until<T>(&self, command: &str, found: impl Fn(&str) -> Option<T>) -> T {
        let mut said = String::new();
        let settled = tokio::time::timeout(SETTLED, async {
            loop {
                said = self.types(command).await;
                if let Some(found) = found(&said) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        let settled = settled.await;
        settled.unwrap_or_else(|_| panic!("$ {command}\n{said}"))
    }

    pub(crate) async fn healthy(&self) {
        let health = "docker inspect --format '{{.State.Health.Status}}' $(docker compose ps -q relay)";
        self.until(health, |said| (said.trim() == "healthy").then_some(())).await;
    }

    /// What `gantz-relay` says in the container.
    pub(crate) async fn relay(&self, args: &str) -> String {
        self.types(&format!("docker compose exec -T relay gantz-relay {args}")).await
    }

    /// What agents know the relay's own certificate authority by, as the log has it.
    pub(crate) async fn fingerprint(&self) -> String {
        let print = |log: &str| {
            let print = log.rsplit_once("sha256=")?.1.trim_start_matches('"');
            Some(print.split(['"', '\n', ' ']).next()?.trim().to_owned())
        };
        self.until("docker compose logs --no-color relay", print).await
    }

    /// The chapter's own two lines, and what is of this test. What is built is not optimised as one, which takes minutes and
    /// changes nothing here.
    pub(crate) fn settings(&self, more: &str) {
        let lines = Section::of("Self-hosting").blocks("ini").remove(0);
        self.checkout.write(".env", &format!("{lines}PUBLISH_ON=127.0.0.1\nLTO=off\n{more}"));
    }

    /// What the state folder has under `path`, of which tar takes `what`.
    pub(crate) async fn copy(&self, path: &str, what: &str) -> String {
        let container = "$(docker compose ps -q relay)";
        let copied = format!("docker cp {container}:/var/lib/gantz-relay/{path} - | tar -xO --wildcards {what}");
        self.types(&copied).await
    }

    pub(crate) async fn refuses(&self, command: &str, why: &str) {
        let refused = self.engine.types(self.checkout.path(), command).await;
        let words = String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!refused.status.success() && words.contains(why), "$ {command}\n{words}");
    }

    pub(crate) fn agent(&self, command: &str) -> Cli {
        gantz(command).within(&self.home)
    }

    /// Types a line of `gantz login` as it was printed, but for where the relay is.
    pub(crate) async fn log_in(&self, line: &str) {
        let command = line.strip_prefix("gantz ").unwrap().replace("relay.example.com", "127.0.0.1");
        let ended = self.agent(&command).end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
    }

    pub(crate) async fn open(&self) -> Tunnel {
        let mut running = self.agent(&format!("run --auth {} --json", self.server.address())).start();
        let ready: Value = serde_json::from_str(&running.stdout.line("\"ready\"").await).unwrap();
        let text = |member: &str| ready[member].as_str().unwrap().to_owned();
        Tunnel { url: text("url").parse().unwrap(), token: text("token"), running }
    }
}

/// A tunnel that is open.
pub(crate) struct Tunnel {
    pub(crate) running: Running,
    pub(crate) url: Url,
    pub(crate) token: String,
}

impl Tunnel {
    /// Whether a call with its token, of somebody who trusts `ca`, comes through to the server.
    pub(crate) async fn serves(&self, ca: &str) -> bool {
        let here = ([127, 0, 0, 1], self.url.port_or_known_default().unwrap()).into();
        let tls = client::trusting(ca, &[b"h2", b"http/1.1"]);
        let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
        let caller = builder.resolve(self.url.host_str().unwrap(), here).build().unwrap();
        let answer = caller.get(self.url.clone()).bearer_auth(&self.token).send().await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// It comes back by itself.
    pub(crate) async fn serves_again(&self, ca: &str) {
        let again = tokio::time::timeout(SETTLED, async {
            while !self.serves(ca).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let again = again.await;
        assert!(again.is_ok(), "{} is gone\n{}\n{}", self.url, self.running.stdout.now(), self.running.stderr.now());
    }
}

/// The key that `gantz-relay key add` has printed.
pub(crate) fn key_in(said: &str) -> String {
    said.split_whitespace().find(|word| word.starts_with("gzk_")).unwrap().to_owned()
}
