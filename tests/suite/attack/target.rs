//! What is attacked: a relay in a process of its own. Its agents, and the local server behind them, run on a thread that
//! the attack does not share.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::any;
use bytes::Bytes;
use gantz_agent::agent::StartError;
use gantz_agent::{Agent, RelayAddress, Trust};
use gantz_tests::client;
use gantz_tests::{DOMAIN, Origin, binaries, canary, lasting_port, within, world};
use http::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::home::Home;

/// How a relay is started.
#[derive(Default)]
pub(crate) struct Start<'a> {
    /// More flags.
    pub(crate) flags: &'a [&'a str],
    /// How many files it may have open; as many as this process where it is not said.
    pub(crate) files: Option<usize>,
    /// Tunnels beside the two that there always are.
    pub(crate) tunnels: usize,
}

/// A relay in its own process, and tunnels to a local server in this one.
pub(crate) struct Target {
    process: Child,
    pub(crate) port: u16,
    pub(crate) pem: String,
    /// The tunnel that is attacked.
    pub(crate) host: String,
    /// Another tunnel of the same relay.
    pub(crate) other: String,
    /// All others.
    pub(crate) more: Vec<String>,
    pub(crate) token: String,
    /// What the relay has logged so far.
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    /// Where the agent of the other tunnel is, and whoever calls while something else is attacked.
    pub(crate) home: Home,
    /// Where the agents are whose tunnels are attacked.
    attacked: Home,
    tunnels: [Tunnels; 2],
    _state: tempfile::TempDir,
    _output: JoinSet<()>,
}

/// Opens a tunnel to `server`.
pub(crate) async fn open(pem: &str, port: u16, server: std::net::SocketAddr) -> Result<Agent, StartError> {
    let trust = Trust::Only(vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()]);
    let address = RelayAddress { host: "127.0.0.1".into(), port };
    let target = format!("http://{server}").parse().unwrap();
    let mut config = gantz_agent::Config::new(address, trust, target);
    config.access_key = Some(canary::access_key());
    config.policy = world::policy(&canary::token());
    Agent::start(config, Arc::new(|_| {})).await
}

/// Agents, and the local server behind them.
type Tunnels = (Vec<Agent>, Origin);

/// Opens `count` tunnels to a server of their own.
async fn tunnels(pem: String, port: u16, count: usize) -> Tunnels {
    let server = server();
    let mut agents = Vec::new();
    for _ in 0..count {
        agents.push(open(&pem, port, server.address()).await.expect("the agent starts"));
    }
    (agents, server)
}

/// `/big` answers with a megabyte, `/hold` never, everything else with the length of the body.
fn server() -> Origin {
    let big = Bytes::from(vec![b'x'; 1 << 20]);
    let router = Router::new()
        .route("/big", any(async move || big.clone()))
        .route("/hold", any(std::future::pending::<()>))
        // Takes a body for as long as it comes.
        .fallback(any(async |body: Bytes| format!("{}", body.len())))
        .layer(DefaultBodyLimit::disable());
    Origin::axum(router)
}

impl Target {
    pub(crate) async fn start() -> Self {
        Self::start_as(Start::default()).await
    }

    /// One that is told more.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_as(Start { flags, ..Start::default() }).await
    }

    /// See [`Start`].
    pub(crate) async fn start_as(start: Start<'_>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let port = lasting_port();
        let relay = binaries::gantz_relay();
        let mut command = match start.files {
            None => Command::new(relay),
            Some(files) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]).arg(relay);
                shell
            }
        };
        let mut process = command
            .args(["serve", "--domain", DOMAIN, "--access", "open", "--tls", "self-signed"])
            .args([format!("--listen=127.0.0.1:{port}"), "--admin-listen=127.0.0.1:0".into()])
            .arg(format!("--state-dir={}", state.path().display()))
            // As a variable, over which a flag goes.
            .env("GANTZ_RELAY_MAX_TUNNELS_PER_SOURCE", "1000")
            .args(start.flags)
            .current_dir(state.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let serves = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it serves");
                let is_up = line.contains("relay serves");
                log.lock().unwrap().push(line);
                if is_up {
                    return;
                }
            }
        };
        within("the relay", serves).await;
        let mut output = JoinSet::new();
        let kept = log.clone();
        output.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });

        let pem = std::fs::read_to_string(state.path().join("ca.pem")).unwrap();
        let (home, attacked) = (Home::new(), Home::new());
        let tunnels = [
            home.run(tunnels(pem.clone(), port, 1)).await,
            attacked.run(tunnels(pem.clone(), port, 1 + start.tunnels)).await,
        ];
        let hosts = |tunnels: &Tunnels| -> Vec<_> {
            tunnels.0.iter().map(|agent| format!("{}.{DOMAIN}", agent.welcome().name)).collect()
        };
        let (other, mut more) = (hosts(&tunnels[0]).remove(0), hosts(&tunnels[1]));
        let host = more.remove(0);
        let token = canary::TOKEN.to_owned();
        Self {
            process,
            port,
            pem,
            host,
            other,
            more,
            token,
            log,
            home,
            attacked,
            tunnels,
            _state: state,
            _output: output,
        }
    }

    /// Opens one more tunnel.
    pub(crate) async fn open(&self) -> Result<Agent, StartError> {
        let (pem, port, server) = (self.pem.clone(), self.port, self.tunnels[1].1.address());
        self.attacked.run(async move { open(&pem, port, server).await }).await
    }

    /// A caller of `host` with connections of its own.
    pub(crate) fn caller(&self, host: &str) -> Caller {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(client::trusting(&self.pem, &[b"h2"]))
            .resolve(host, ([127, 0, 0, 1], self.port).into())
            .no_proxy()
            .build()
            .unwrap();
        Caller { client, url: format!("https://{host}:{}/", self.port), token: self.token.clone() }
    }

    /// A file or folder of the process in `/proc`.
    pub(crate) fn proc(&self, what: &str) -> PathBuf {
        Path::new("/proc").join(self.process.id().expect("it runs").to_string()).join(what)
    }

    /// A size of the process, bytes: `VmRSS` now, `VmHWM` at its largest.
    pub(crate) fn size(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).expect("a line");
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    /// How long the process has used a core so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(self.proc("stat")).unwrap();
        // The name before it may hold anything (proc_pid_stat(5)); `utime` and `stime` are in hundredths of a second.
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
    }

    /// How long the process has waited for a core so far: others had them all.
    pub(crate) fn waited(&self) -> Duration {
        let stat = std::fs::read_to_string(self.proc("schedstat")).unwrap();
        Duration::from_nanos(stat.split_whitespace().nth(1).unwrap().parse().unwrap())
    }

    /// How many files the process has open.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).unwrap().count()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().expect("it runs")
    }
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Caller {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Caller {
    /// A call that has nothing to do with the attack.
    pub(crate) async fn call(&self) {
        let request = self.client.post(&self.url).bearer_auth(&self.token).body("ok");
        let answer = within("another caller's answer", request.send()).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "2"));
    }

    /// A call of any kind: the status of its whole answer, and its `Gantz-Error`, if it has one. `path` is without its
    /// first slash.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Bytes) -> (u16, String) {
        let url = format!("{}{path}", self.url);
        let answer = self.client.request(method, url).bearer_auth(&self.token).body(body).send().await.unwrap();
        let code = answer.headers().get("gantz-error").map_or("", |code| code.to_str().unwrap()).to_owned();
        let status = answer.status().as_u16();
        answer.bytes().await.unwrap();
        (status, code)
    }
}
