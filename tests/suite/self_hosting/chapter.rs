//! The README's chapter on self-hosting, typed as it stands in a checkout, with a real engine: what it promises of each
//! command is looked at after it.
//!
//! What is not as it says: no name leads here, so the first certificate comes from a Pebble on this machine, which asks the
//! relay's DNS server directly; then, for agents and callers who are led to the loopback, where the ports are published, it
//! is of the relay's own authority.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gantz_tests::{binaries, client, echo};
use reqwest::StatusCode;
use serde_json::Value;

use crate::Folder;
use crate::authority::{Options, Pebble, local};
use crate::base_images;
use crate::certificate::{shown, vouches};
use crate::checkout::Checkout;
use crate::engine::Engine;
use crate::readme::Section;
use crate::story::{Story, Tunnel, key_in};

#[tokio::test]
async fn is_true_as_it_stands() {
    let folder = folder();
    let engine = Engine::start(&folder).await;
    base_images::provide(&engine, &folder).await;
    let checkout = Checkout::new(folder.join("checkout"));
    let story = Story { engine, checkout, home: Folder::new(), server: echo() };
    let (issued, key) = story.begin().await;
    let (tunnel, ca) = story.first_tunnel(&key).await;
    story.is_locked_up().await;
    story.upgrade(&tunnel, &ca).await;
    story.down_and_up(&tunnel, &ca).await;
    story.back_up_and_restore(&tunnel, &ca).await;
    drop(tunnel);
    story.still_has(issued).await;
    story.behind_a_proxy().await;
    story.monitoring().await;
    story.over_ipv6().await;
    story.types("docker compose down --volumes --remove-orphans").await;
    base_images::are_arguments(&story.engine, story.checkout.path()).await;
}

fn folder() -> std::path::PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().nth(3).expect("target/PROFILE/deps/suite").join("self_hosting");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A certificate of the story's begin.
struct Issued {
    /// What `.env` says beside the chapter's lines, so that it comes from a Pebble.
    env: String,
    /// What callers are shown.
    certificate: Vec<u8>,
    /// The file that the relay has of it.
    kept: String,
}

impl Story {
    /// The chapter up to its first heading, with a certificate by ACME: that one, and a key.
    async fn begin(&self) -> (Issued, String) {
        let chapter = Section::of("Self-hosting");
        let lines = chapter.blocks("ini").remove(0);
        let example = std::fs::read_to_string(binaries::root().join(".env.example")).unwrap();
        assert_eq!(lines, example, "two lines, the same ones");
        assert_eq!(lines.lines().count(), 2);
        // A certificate authority that the container reaches, at the machine's address in Docker's own network.
        // Docker itself does not tell it before it is started once more.
        let bridge = "docker network inspect bridge --format '{{index .Options \"com.docker.network.bridge.name\"}}'";
        let address = format!("ip -4 -o address show \"$({bridge})\" | sed 's/.* inet \\([0-9.]*\\).*/\\1/'");
        let host = self.types(&address).await.trim().parse().unwrap();
        let pebble = Pebble::start(&Options { host, ..Options::asking(local(53)) }).await;
        self.checkout.write("authority.pem", &vouches(&pebble));
        let mounted = "services: {relay: {volumes: [\"./authority.pem:/authority.pem:ro\"]}}\n";
        self.checkout.write("authority.yml", mounted);
        let env = format!(
            "COMPOSE_FILE=docker-compose.yml:docker-compose.override.yml:authority.yml\n\
             GANTZ_RELAY_ACME_CA=/authority.pem\nGANTZ_RELAY_ACME_DIRECTORY={}\n",
            pebble.directory()
        );
        self.settings(&env);
        // The image of an earlier run is not the one of this checkout; what it was built from is used again where it is the
        // same.
        self.engine.tries("docker image rm --force --no-prune gantz-relay").await;
        let commands = chapter.commands();
        let [up, logs, add, revoke] = &commands[..] else { panic!("{commands:?}") };
        self.types(up).await;
        self.healthy().await;
        let log = self.types(logs).await;
        assert!(log.contains("relay serves") && log.contains("certificate issued"), "{log}");
        let login = log.lines().find_map(|line| Some(&line[line.find("gantz login ")?..])).unwrap();
        assert!(login.starts_with("gantz login relay.example.com --key gzk_"), "{login}");
        assert!(!login.contains("--fingerprint"), "everybody trusts it: {login}");
        let key = key_in(&self.types(add).await);
        self.types(revoke).await;
        let keys = self.relay("key list").await;
        assert!(keys.contains("first") && keys.contains("revoked"), "{keys}");
        assert_eq!(pebble.orders(), 1);
        let kept = self.copy("acme", "'*/relay.example.com.pem'").await;
        let certificate = shown(443, "relay.example.com", &kept).await;
        (Issued { env, certificate, kept }, key)
    }

    /// Since then there were an upgrade, an end and a restore into an empty volume; there is nobody to order one from now.
    async fn still_has(&self, issued: Issued) {
        self.settings(&issued.env);
        self.types("docker compose up -d").await;
        self.healthy().await;
        for host in ["relay.example.com", "any.relay.example.com"] {
            assert_eq!(shown(443, host, &issued.kept).await, issued.certificate, "{host}");
        }
    }

    /// With what a caller has to trust.
    async fn first_tunnel(&self, key: &str) -> (Tunnel, String) {
        self.settings("GANTZ_RELAY_TLS=self-signed\n");
        self.types("docker compose up -d").await;
        self.healthy().await;
        let print = self.fingerprint().await;
        self.log_in(&format!("gantz login relay.example.com --key {key} --fingerprint {print}")).await;
        let tunnel = self.open().await;
        let ca = self.copy("ca.pem", "ca.pem").await;
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
        self.measured(&status).await;
    }

    /// What the README says of these is what is printed here.
    async fn measured(&self, status: &str) {
        let image = self.types("docker image inspect --format '{{.Size}}' gantz-relay").await;
        let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        let started = self.types("docker inspect --format '{{.State.StartedAt}}' $(docker compose ps -q relay)").await;
        let log = self.types("docker logs --timestamps $(docker compose ps -q relay) 2>&1").await;
        let serves = log.lines().find(|line| line.contains("relay serves")).unwrap();
        let moment = |text: &str| text.split_whitespace().next().unwrap().parse::<jiff::Timestamp>().unwrap();
        let took = moment(serves).duration_since(moment(&started));
        eprintln!("image: {} bytes; {resident}; start to serving: {took:.1?}", image.trim());
    }

    async fn upgrade(&self, tunnel: &Tunnel, ca: &str) {
        let commands = Section::of("Upgrade").commands();
        let [pull, up] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(pull, "git pull");
        self.checkout.change("relay/src/cli/mod.rs", "Agents' access keys", "Agents' access keys, of the next version");
        self.types(up).await;
        self.healthy().await;
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
        let [backup, trial, down, restore, up] = &commands[..] else { panic!("{commands:?}") };
        self.types(backup).await;
        let made = std::fs::metadata(self.checkout.path().join("gantz-backup.tar")).unwrap();
        assert_eq!(made.permissions().mode() & 0o777, 0o600);
        // What is in use is not written over.
        self.refuses(restore, "is restored into an empty folder").await;
        assert!(self.types(trial).await.contains("Restored into"));
        let cut = "head -c 5000 gantz-backup.tar > cut.tar";
        self.types(cut).await;
        self.refuses(&trial.replace("gantz-backup.tar", "cut.tar"), "nothing was restored").await;
        for command in [down, restore, up] {
            self.types(command).await;
        }
        tunnel.serves_again(ca).await;
        assert_eq!(self.relay("key list").await, keys);
        let log = self.types("docker compose logs --no-color relay").await;
        assert!(!log.contains("gantz login"), "a relay that has keys makes no first one: {log}");
    }

    async fn behind_a_proxy(&self) {
        let chapter = Section::of("Behind a reverse proxy of your own");
        self.settings(&chapter.blocks("ini").remove(0));
        let commands = chapter.commands();
        let [up, add] = &commands[..] else { panic!("{commands:?}") };
        self.types(up).await;
        self.healthy().await;
        // One relay, and no port of it but those.
        let published = self.types("docker port $(docker compose ps -q)").await;
        let mut published: Vec<_> = published.lines().collect();
        published.sort_unstable();
        assert_eq!(published, ["8443/tcp -> 127.0.0.1:8443", "8443/udp -> 127.0.0.1:8443"]);
        // As the chapter's other headings say it, it is the same one.
        self.types("docker compose up -d").await;
        assert_eq!(self.types("docker compose ps -q").await.lines().count(), 1);
        let (key, print) = (key_in(&self.types(add).await), self.fingerprint().await);
        self.log_in(&format!("gantz login relay.example.com:8443 --key {key} --fingerprint {print}")).await;
        // As the proxy calls: plain, with the host and the scheme that its caller said.
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
        assert_eq!(config.matches("max-size: 10m").count(), 3, "no log fills the disk: {config}");
        for mounted in [
            "relay/deploy/prometheus/prometheus.yml",
            "relay/deploy/grafana/provisioning",
            "relay/deploy/grafana/dashboards",
        ] {
            assert!(Path::new(self.checkout.path()).join(mounted).exists(), "{mounted}");
        }
    }

    /// With the line that the chapter has for it. Where the engine gives no network IPv6 by itself (before 27), what compose
    /// makes of it is looked at.
    async fn over_ipv6(&self) {
        self.types("docker compose down").await;
        let file = "COMPOSE_FILE=docker-compose.yml:relay/deploy/docker-compose.ipv6.yml";
        let readme = std::fs::read_to_string(binaries::root().join("README.md")).unwrap();
        assert!(readme.contains(&format!("`{file}`")));
        self.settings(&format!("{file}\nPUBLISH_ON_IPV6=::1\nGANTZ_RELAY_TLS=self-signed\n"));
        let config = self.types("docker compose config").await;
        for word in ["enable_ipv6: true", "GANTZ_RELAY_LISTEN: '[::]:443'"] {
            assert!(config.replace('"', "'").contains(word), "{word}: {config}");
        }
        let version = self.types("docker version --format '{{.Server.Version}}'").await;
        let is_able = version.split('.').next().unwrap().parse::<u32>().unwrap() >= 27;
        if !is_able {
            eprintln!("not started with IPv6: Docker {}", version.trim());
            return;
        }
        self.types("docker compose up -d").await;
        self.healthy().await;
        for address in ["127.0.0.1:443", "[::1]:443"] {
            tokio::net::TcpStream::connect(address).await.unwrap();
        }
    }
}
