//! The real binaries, each under Callgrind, which `vgdb` tells when to begin and when to write down what it has counted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gantz_tests::{DOMAIN, Origin, binaries, within};
use serde_json::Value;
use tokio::process::Command;

use crate::calls;
use crate::process::{Cli, Folder, Output, Running, gantz, gantz_relay};

/// How Valgrind runs a binary. Its pipes are in the folder that it runs in: no variable of the user's moves them.
/// It starts without counting, which is quicker.
const UNDER_CALLGRIND: &str = r#"exec valgrind --tool=callgrind --quiet --instr-atstart=no --callgrind-out-file=counted \
    --vgdb-prefix=./vgdb "$@""#;

/// How long a binary may take until it runs: longer than others, on a machine that has more to do.
const START: Duration = Duration::from_secs(120);

/// A relay, an agent and a local server; the first two are counted.
pub(crate) struct World {
    relay: Counted,
    agent: Counted,
    _server: Origin,
    pub(crate) edge: SocketAddr,
    pub(crate) host: String,
    pub(crate) token: String,
}

impl World {
    /// Plain HTTP at the edge, so that the caller's TLS is not counted; QUIC between relay and agent.
    pub(crate) async fn start() -> Self {
        let server = calls::server();
        let serve = format!(
            "serve --access open --tls off --domain {DOMAIN} --log-format json --state-dir state \
             --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --token-rate 1000000/s --tunnel-rate 1000000/s"
        );
        let mut relay = Counted::start(gantz_relay(&serve));
        let serves = started(&mut relay.running.stderr, "relay serves").await;
        let field = |name: &str| serves["fields"][name].as_str().unwrap().to_owned();
        let ca = relay.folder.path().join("state/ca.pem");
        let run =
            gantz(&format!("run --auth --json --transport quic --relay {} {}", field("agents"), server.address()));
        let mut agent = Counted::start(run.arg("--name=counted").arg(format!("--relay-ca={}", ca.display())));
        let ready = started(&mut agent.running.stdout, "\"ready\"").await;
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let url: http::Uri = text("url").parse().unwrap();
        for process in [&relay, &agent] {
            process.tell(&["instrumentation", "on"]).await;
        }
        Self {
            edge: field("public").parse().unwrap(),
            host: url.authority().unwrap().to_string(),
            token: text("token"),
            relay,
            agent,
            _server: server,
        }
    }

    /// What was counted until now is forgotten.
    pub(crate) async fn zero(&self) {
        self.relay.tell(&["zero"]).await;
        self.agent.tell(&["zero"]).await;
    }

    /// Has both write down what they have counted: which process, and where.
    pub(crate) async fn dump(&self) -> [(&'static str, PathBuf); 2] {
        [("relay", self.relay.dump().await), ("agent", self.agent.dump().await)]
    }
}

struct Counted {
    running: Running,
    folder: Folder,
}

impl Counted {
    fn start(cli: Cli) -> Self {
        let folder = Folder::new();
        Self { running: cli.within(&folder).script(UNDER_CALLGRIND).start(), folder }
    }

    /// Callgrind numbers its files: the first one that is new is this one.
    async fn dump(&self) -> PathBuf {
        let file = |number: u32| self.folder.path().join(format!("counted.{number}"));
        let number = (1..).find(|number| !file(*number).exists()).unwrap();
        self.tell(&["dump"]).await;
        assert!(file(number).exists(), "Callgrind has not written {}", file(number).display());
        file(number)
    }

    async fn tell(&self, what: &[&str]) {
        let mut vgdb = Command::new("vgdb");
        vgdb.args(["--vgdb-prefix=./vgdb", &format!("--pid={}", self.running.id())]).args(what);
        // The names of its pipes have variables in them, of which the binary has none either.
        vgdb.current_dir(self.folder.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = within("Callgrind to be told", vgdb.kill_on_drop(true).output()).await.unwrap();
        assert!(output.status.success(), "vgdb {what:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The line of JSON with `marker` in it that a binary prints once it runs.
async fn started(output: &mut Output, marker: &str) -> Value {
    let said = async {
        while !output.now().contains(marker) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Where it has not come, the next line says what did.
    let _late = tokio::time::timeout(START, said).await;
    serde_json::from_str(&output.line(marker).await).unwrap()
}

/// Keeps a file of this run under `target/counts`.
pub(crate) fn keep(text: &str, name: &str) {
    let folder = binaries::root().join("target/counts");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
}
