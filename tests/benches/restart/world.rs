//! A relay on a port that stays its own, an agent, and the local server in this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantz_tests::{DOMAIN, Origin, binaries, canary, lasting_port, within};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::load::{Aim, Server};
use crate::process::{Process, command};

/// From one look to the next.
const SOON: Duration = Duration::from_millis(1);

pub(crate) struct World {
    pub(crate) aim: Aim,
    pub(crate) server: Arc<Server>,
    pub(crate) events: Events,
    relay: Option<Process>,
    program: PathBuf,
    address: SocketAddr,
    _origin: Origin,
    home: TempDir,
}

impl World {
    /// With the binaries in `folder`; without one, with those of the checkout, which are built first.
    pub(crate) async fn start(folder: Option<&Path>) -> Self {
        let (gantz, program) = match folder.map(|folder| folder.canonicalize().unwrap()) {
            Some(folder) => (folder.join("gantz"), folder.join("gantz-relay")),
            None => (binaries::gantz(), binaries::gantz_relay()),
        };
        let address = SocketAddr::from(([127, 0, 0, 1], lasting_port()));
        let home = TempDir::new().unwrap();
        let relay = serve(&program, address, home.path()).await;
        let server = Arc::new(Server::default());
        let origin = server.origin();
        let mut run = command(gantz, home.path());
        run.args(["run", "--auth", "--json", "--call-log", "none", "--relay-ca", "state/ca.pem"]);
        run.arg(format!("--relay={address}")).arg(format!("http://{}/", origin.address()));
        run.env("GANTZ_TOKEN", canary::TOKEN);
        let mut agent = Process::start("gantz run", run);
        let ready = event(&mut agent, "ready", 0).await;
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        let aim = Aim {
            url: text("url").trim_end_matches('/').to_owned(),
            host: format!("{}.{DOMAIN}", text("name")),
            token: canary::TOKEN.to_owned(),
            edge: address,
            ca: std::fs::read_to_string(home.path().join("state/ca.pem")).unwrap(),
        };
        let events = Events { agent, heard: 0, by: String::new() };
        Self { aim, server, events, relay: Some(relay), program, address, _origin: origin, home }
    }

    /// SIGKILL; when this returns, the port is free.
    pub(crate) async fn kill(&mut self) {
        // Dropped, it is killed.
        self.relay = None;
        let gone = async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::time::sleep(SOON).await;
            }
        };
        within("the end of the relay", gone).await;
    }

    /// Starts the relay again; when this returns, it listens.
    pub(crate) async fn serve(&mut self) {
        self.relay = Some(serve(&self.program, self.address, self.home.path()).await);
    }

    /// When a caller on a new connection has its first 200.
    pub(crate) fn first_answer(&self) -> impl Future<Output = Instant> + use<> {
        let aim = self.aim.clone();
        async move {
            let asked = async {
                let request =
                    || aim.client(b"http/1.1").get(format!("{}/read/0", aim.url)).bearer_auth(&aim.token).send();
                while !request().await.is_ok_and(|answer| answer.status() == 200) {
                    tokio::time::sleep(SOON).await;
                }
            };
            within("an answer", asked).await;
            Instant::now()
        }
    }
}

async fn serve(program: &Path, address: SocketAddr, home: &Path) -> Process {
    let mut serve = command(program, home);
    serve.args(["serve", "--access", "open", "--tls", "self-signed", "--log-format", "json", "--domain", DOMAIN]);
    serve.arg(format!("--listen={address}")).args(["--admin-listen", "127.0.0.1:0", "--state-dir", "state"]);
    let mut relay = Process::start("gantz-relay", serve);
    relay
        .line_of_stderr(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["fields"]["message"] == "relay serves").then_some(())
        })
        .await;
    relay
}

/// What the agent says.
pub(crate) struct Events {
    agent: Process,
    /// How often it has come back.
    heard: usize,
    by: String,
}

impl Events {
    /// When it has noticed that its tunnel is lost once more, and when it has another.
    pub(crate) async fn next(&mut self) -> (Instant, Instant) {
        event(&mut self.agent, "reconnecting", self.heard).await;
        let lost = Instant::now();
        let back = event(&mut self.agent, "reconnected", self.heard).await;
        self.heard += 1;
        self.by = back["transport"].as_str().unwrap().to_owned();
        (lost, Instant::now())
    }

    /// Whether that one goes over TCP.
    pub(crate) fn is_tcp(&self) -> bool {
        self.by == "tcp"
    }
}

/// The event of this kind behind so many others of it.
async fn event(agent: &mut Process, kind: &str, behind: usize) -> Value {
    let before = std::cell::Cell::new(0);
    agent
        .line_of_stdout(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            if event["event"] != kind {
                return None;
            }
            (before.replace(before.get() + 1) == behind).then_some(event)
        })
        .await
}
