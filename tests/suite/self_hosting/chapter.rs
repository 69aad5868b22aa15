//! The README's chapter on self-hosting, typed as it stands in a checkout, with a real engine: what it promises of each
//! command is looked at after it.
//!
//! What is not as it says: the certificate is of the relay's own authority, as no name leads here; the ports are
//! published on the loopback; and agents and callers are led there.

use std::path::Path;
use std::time::Duration;

use gantz_tests::{Origin, binaries, client, echo};
use reqwest::{StatusCode, Url};
use serde_json::Value;

use crate::base_images;
use crate::checkout::Checkout;
use crate::engine::Engine;
use crate::process::Cli;
use crate::readme::Section;
use crate::{Folder, Running, gantz};

/// How long a container may take to be healthy, or an agent to come back to a relay that was built again.
const SETTLED: Duration = Duration::from_secs(120);

struct Story {
    engine: Engine,
    checkout: Checkout,
    home: Folder,
    server: Origin,
}

impl Story {
    async fn types(&self, command: &str) -> String {
        self.engine.says(self.checkout.path(), command).await
    }

    async fn types_all(&self, heading: &str) {
        for command in Section::of(heading).commands() {
            self.types(&command).await;
        }
    }

    /// Types `command` until `found` accepts what it says.
    async fn until<T>(&self, command: &str, found: impl Fn(&str) -> Option<T>) -> T {
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

    async fn healthy(&self, service: &str) {
        let health =
            format!("docker inspect --format '{{{{.State.Health.Status}}}}' $(docker compose ps -q {service})");
        self.until(&health, |said| (said.trim() == "healthy").then_some(())).await;
    }

    /// What `gantz-relay` says in the container.
    async fn relay(&self, args: &str) -> String {
        self.types(&format!("docker compose exec -T relay gantz-relay {args}")).await
    }

    /// The line that is printed once.
    async fn login_line(&self, service: &str) -> String {
        let line = |log: &str| {
            let line = log.lines().find(|line| line.contains("gantz login"))?;
            Some(line[line.find("gantz login")?..].trim().to_owned())
        };
        self.until(&format!("docker compose logs --no-color {service}"), line).await
    }

    fn agent(&self, command: &str) -> Cli {
        gantz(command).within(&self.home)
    }

    /// Types a line of `gantz login` as it was printed, but for where the relay is.
    async fn log_in(&self, line: &str) {
        let command = line.strip_prefix("gantz ").unwrap().replace("relay.example.com", "127.0.0.1");
        let ended = self.agent(&command).end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
    }

    async fn open(&self) -> Tunnel {
        let mut running = self.agent(&format!("run --auth {} --json", self.server.address())).start();
        let ready: Value = serde_json::from_str(&running.stdout.line("\"ready\"").await).unwrap();
        let text = |member: &str| ready[member].as_str().unwrap().to_owned();
        Tunnel { url: text("url").parse().unwrap(), token: text("token"), running }
    }
}

struct Tunnel {
    running: Running,
    url: Url,
    token: String,
}

impl Tunnel {
    /// Whether a call with its token, of somebody who trusts `ca`, comes through to the server.
    async fn serves(&self, ca: &str) -> bool {
        let here = ([127, 0, 0, 1], self.url.port_or_known_default().unwrap()).into();
        let tls = client::trusting(ca, &[b"h2", b"http/1.1"]);
        let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
        let caller = builder.resolve(self.url.host_str().unwrap(), here).build().unwrap();
        let answer = caller.get(self.url.clone()).bearer_auth(&self.token).send().await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// It comes back by itself.
    async fn serves_again(&self, ca: &str) {
        let again = tokio::time::timeout(SETTLED, async {
            while !self.serves(ca).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let again = again.await;
        assert!(again.is_ok(), "{} is gone\n{}\n{}", self.url, self.running.stdout.now(), self.running.stderr.now());
    }
}

#[tokio::test]
async fn is_true_as_it_stands() {
    let folder = folder();
    let engine = Engine::start(&folder).await;
    base_images::provide(&engine, &folder).await;
    let checkout = Checkout::new(folder.join("checkout"));
    let story = Story { engine, checkout, home: Folder::new(), server: echo() };
    story.begin().await;
    let (tunnel, ca) = story.first_tunnel().await;
    story.is_locked_up().await;
    story.upgrade(&tunnel, &ca).await;
    story.down_and_up(&tunnel, &ca).await;
    story.back_up_and_restore(&tunnel, &ca).await;
    drop(tunnel);
    story.behind_a_proxy().await;
    story.monitoring().await;
    story.types("docker compose down --volumes --remove-orphans").await;
}

fn folder() -> std::path::PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().nth(3).expect("target/PROFILE/deps/suite").join("self_hosting");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Story {
    async fn begin(&self) {
        let chapter = Section::of("Self-hosting");
        let env = chapter.blocks("ini").remove(0);
        assert_eq!(
            env,
            std::fs::read_to_string(binaries::root().join(".env.example")).unwrap(),
            "two lines, the same ones"
        );
        assert_eq!(env.lines().count(), 2);
        self.checkout.write(".env", &format!("{env}GANTZ_RELAY_TLS=self-signed\nPUBLISH_ON=127.0.0.1\n"));
        // The image of an earlier run is not the one of this checkout; what it was built from is used again where it is the
        // same.
        self.engine.tries("docker image rm --force --no-prune gantz-relay").await;
        let commands = chapter.commands();
        let [up, logs, add, revoke] = &commands[..] else { panic!("{commands:?}") };
        self.types(up).await;
        self.healthy("relay").await;
        assert!(self.types(logs).await.contains("relay serves"));
        self.log_in(&self.login_line("relay").await).await;
        let key = self.types(add).await;
        let key = key.split_whitespace().find(|word| word.starts_with("gzk_")).unwrap().to_owned();
        self.types(revoke).await;
        // The relay looks every 0.1 s, and whoever shows a key makes it look.
        let login = format!("{} ", self.login_line("relay").await);
        let (before, after) = login.split_once("gzk_").unwrap();
        let after = after.split_once(' ').unwrap().1;
        self.log_in(format!("{before}{key} {after}").trim()).await;
    }

    /// With what a caller has to trust.
    async fn first_tunnel(&self) -> (Tunnel, String) {
        let tunnel = self.open().await;
        let ca = self.types("docker cp $(docker compose ps -q relay):/var/lib/gantz-relay/ca.pem - | tar -xO").await;
        assert!(tunnel.serves(&ca).await);
        (tunnel, ca)
    }

    /// Nobody, nothing to write to, no privilege, and nothing in the image but the relay.
    async fn is_locked_up(&self) {
        let status = self
            .types("cat /proc/$(docker inspect --format '{{.State.Pid}}' $(docker compose ps -q relay))/status")
            .await;
        for line in
            ["Uid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Name:\tgantz-relay"]
        {
            assert!(status.contains(line), "{line}: {status}");
        }
        let bounds = status.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
        assert_eq!(bounds, "0000000000000400", "NET_BIND_SERVICE alone");
        let inspected = self.types("docker inspect $(docker compose ps -q relay)").await;
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected[0]["HostConfig"]["ReadonlyRootfs"], true);
        assert_eq!(inspected[0]["Mounts"].as_array().unwrap().len(), 1);
        assert_eq!(inspected[0]["Mounts"][0]["Destination"], "/var/lib/gantz-relay");
        assert!(
            !self.engine.types(self.checkout.path(), "docker compose exec -T relay sh -c true").await.status.success()
        );
        let image = self.types("docker image inspect --format '{{.Size}}' gantz-relay").await;
        let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        eprintln!("image: {image} bytes; {resident}");
    }

    async fn upgrade(&self, tunnel: &Tunnel, ca: &str) {
        let commands = Section::of("Upgrade").commands();
        let [pull, up] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(pull, "git pull");
        self.checkout.change("relay/src/cli/mod.rs", "Agents' access keys", "Agents' access keys, of the next version");
        self.types(up).await;
        self.healthy("relay").await;
        assert!(self.relay("--help").await.contains("of the next version"));
        tunnel.serves_again(ca).await;
    }

    async fn down_and_up(&self, tunnel: &Tunnel, ca: &str) {
        self.types("docker compose down").await;
        assert!(!tunnel.serves(ca).await);
        self.types("docker compose up -d").await;
        tunnel.serves_again(ca).await;
    }

    async fn back_up_and_restore(&self, tunnel: &Tunnel, ca: &str) {
        let chapter = Section::of("Backup, and another host");
        let keys = self.relay("key list").await;
        let commands = chapter.commands();
        let [backup, down, restore, up] = &commands[..] else { panic!("{commands:?}") };
        self.types(backup).await;
        // What is in use is not written over.
        let refused = self.engine.types(self.checkout.path(), restore).await;
        let words = String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!refused.status.success() && words.contains("is restored into an empty folder"), "{words}");
        for command in [down, restore, up] {
            self.types(command).await;
        }
        tunnel.serves_again(ca).await;
        assert_eq!(self.relay("key list").await, keys);
        let log = self.types("docker compose logs --no-color relay").await;
        assert!(!log.contains("gantz login"), "a relay that has keys makes no first one: {log}");
    }

    async fn behind_a_proxy(&self) {
        self.types_all("Behind a reverse proxy of your own").await;
        self.healthy("relay-behind-proxy").await;
        // As the proxy calls: plain, with the host and the scheme that its caller said.
        let login = self.types("docker compose exec -T relay-behind-proxy gantz-relay key add --label proxied").await;
        let key = login.split_whitespace().find(|word| word.starts_with("gzk_")).unwrap().to_owned();
        let log = self.types("docker compose logs --no-color relay-behind-proxy").await;
        let print = log.split("sha256=").nth(1).unwrap_or_else(|| panic!("{log}"));
        let print = print.trim_matches('"').split(['"', '\n', ' ']).next().unwrap();
        self.log_in(&format!("gantz login relay.example.com:8443 --key {key} --fingerprint {print}")).await;
        let tunnel = self.open().await;
        assert_eq!((tunnel.url.scheme(), tunnel.url.port()), ("https", None), "{}", tunnel.url);
        let proxy =
            reqwest::Client::builder().no_proxy().tls_backend_preconfigured(client::trusting("", &[])).build().unwrap();
        let mut request = proxy.get(format!("http://127.0.0.1:8443{}", tunnel.url.path()));
        for (name, value) in [
            ("host", tunnel.url.host_str().unwrap()),
            ("x-forwarded-for", "192.0.2.77"),
            ("x-forwarded-proto", "https"),
        ] {
            request = request.header(name, value);
        }
        let answer = request.bearer_auth(&tunnel.token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let seen = self.server.last();
        let forwarded = seen.fields.get("x-forwarded-for").unwrap().to_str().unwrap();
        assert!(forwarded.contains("192.0.2.77"), "the proxy is believed: {forwarded}");
    }

    /// Its images cannot be had everywhere: what compose makes of it is looked at, and Prometheus has a test of its own.
    async fn monitoring(&self) {
        let commands = Section::of("With Prometheus and Grafana").commands();
        let [up] = &commands[..] else { panic!("{commands:?}") };
        let config = self.types(&up.replace("up -d", "config")).await;
        for word in ["prom/prometheus:", "grafana/grafana:", "relay/deploy/prometheus/prometheus.yml"] {
            assert!(config.contains(word), "{word}: {config}");
        }
        for mounted in [
            "relay/deploy/prometheus/prometheus.yml",
            "relay/deploy/grafana/provisioning",
            "relay/deploy/grafana/dashboards",
        ] {
            assert!(Path::new(self.checkout.path()).join(mounted).exists(), "{mounted}");
        }
    }
}
