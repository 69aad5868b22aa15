//! The clients: four official SDKs as processes, and the Rust SDK's inside the test, all with one command line.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::gantz::Tunnel;
use crate::process::{Process, command};
use crate::rmcp_client;
use crate::servers::{Server, Transport};
use crate::setup::{Environments, environments};

/// Client processes at a time. Each costs a core about a second and then mostly waits; with many more of them a small
/// machine would run into their own deadlines.
static PLACES: Semaphore = Semaphore::const_new(4);

/// Far beyond the clients' own deadlines: only one that hangs meets it.
const DEADLINE: Duration = Duration::from_secs(300);

/// The same where there is nothing to wait for: a refusal is an answer, and the process is over about a second later.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(30);

/// What [`Client::run`] makes a client wait in `long_call`, in seconds: more than the keep-alive's 15.
pub(crate) const LONG_CALL_SECONDS: u64 = 20;

/// An official MCP client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    PythonV1,
    PythonV2,
    TypeScriptV1,
    TypeScriptV2,
    Rmcp,
}

/// Those with both transports.
pub(crate) const PYTHON_AND_TYPESCRIPT: [Client; 4] =
    [Client::PythonV1, Client::PythonV2, Client::TypeScriptV1, Client::TypeScriptV2];

/// How a client gets to a server.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) url: String,
    pub(crate) transport: Transport,
    pub(crate) credential: Credential,
    /// The tunnel, unless it goes direct.
    pub(crate) tunnel: Option<Tunnel>,
}

/// What a client shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    None,
    Bearer(String),
    ApiKey(String),
}

impl Route {
    /// Straight to the server.
    pub(crate) fn direct(server: &Server) -> Self {
        Self { url: server.url.clone(), transport: server.transport, credential: Credential::None, tunnel: None }
    }

    /// Through relay and agent, with the token as the clients' users give it.
    pub(crate) fn tunnelled(tunnel: &Tunnel, transport: Transport) -> Self {
        Self {
            url: tunnel.url.clone(),
            transport,
            credential: Credential::Bearer(tunnel.token.clone()),
            tunnel: Some(tunnel.clone()),
        }
    }
}

impl Client {
    /// The results of `scenarios`, one a name, over `route`; what happened instead if there are none.
    pub(crate) async fn run(self, route: &Route, scenarios: &[&str]) -> Result<Value, String> {
        let deadline = if scenarios == ["unauthorized"] { REFUSAL_DEADLINE } else { DEADLINE };
        let results = if self == Self::Rmcp {
            let run = timeout(deadline, rmcp_client::run(route, scenarios)).await;
            run.map_err(|_| format!("it hangs for more than {deadline:?}"))?
        } else {
            // A long call mostly waits: it takes no place from the others.
            let _place = match scenarios {
                ["long_call"] => None,
                _ => Some(PLACES.acquire().await.unwrap()),
            };
            self.process(route, scenarios, deadline).await?
        };
        for scenario in scenarios {
            let result = results.get(*scenario).ok_or_else(|| format!("{scenario} has no result: {results}"))?;
            if result.get("error").is_some() || result.get("skipped").is_some() {
                return Err(format!("{scenario}: {result}"));
            }
        }
        Ok(results)
    }

    async fn process(self, route: &Route, scenarios: &[&str], deadline: Duration) -> Result<Value, String> {
        self.start(route, scenarios, LONG_CALL_SECONDS).await.results(deadline).await
    }

    /// Starts its process, whose long call is so long.
    pub(crate) async fn start(self, route: &Route, scenarios: &[&str], seconds: u64) -> Talk {
        let home = TempDir::new().unwrap();
        let (mut command, version) = self.command(environments().await, &home);
        command.args(["--url", &route.url, "--transport", route.transport.flag(), "--require"]);
        command.args(["--scenario", &scenarios.join(","), "--seconds", &seconds.to_string()]);
        match &route.credential {
            Credential::None => {}
            Credential::Bearer(token) => {
                command.args(["--token", token]);
            }
            Credential::ApiKey(token) => {
                command.args(["--header", &format!("X-API-Key: {token}")]);
            }
        }
        if let Some(tunnel) = &route.tunnel {
            command.args(["--connect-to", &tunnel.address]);
            command.env("SSL_CERT_FILE", &tunnel.ca).env("NODE_EXTRA_CA_CERTS", &tunnel.ca);
        }
        Talk { process: Process::start(version, command), version, _home: home }
    }

    /// What starts it, and what its name in its output begins with.
    fn command(self, environments: &Environments, home: &TempDir) -> (Command, &'static str) {
        let python = |line| {
            let mut client = command(environments.python(line), home.path());
            client.arg(environments.python_script("client.py"));
            client
        };
        let node = |script| {
            let mut client = command("node", home.path());
            client.arg(environments.node_script(script));
            client
        };
        match self {
            Self::PythonV1 => (python("v1"), "python-1."),
            Self::PythonV2 => (python("v2"), "python-2."),
            Self::TypeScriptV1 => (node("client_v1.mjs"), "typescript-1."),
            Self::TypeScriptV2 => (node("client_v2.mjs"), "typescript-2."),
            Self::Rmcp => unreachable!("it has no process of its own"),
        }
    }
}

/// A client's process at work.
pub(crate) struct Talk {
    process: Process,
    version: &'static str,
    _home: TempDir,
}

impl Talk {
    /// Waits until it says that it is so far.
    pub(crate) async fn is(&mut self, state: &str) {
        let said = format!("AT {state}");
        self.process.line_of_stderr(|line| (line == said).then_some(())).await;
    }

    /// Its results, one a scenario, when it has ended; what happened instead if there are none.
    pub(crate) async fn results(self, deadline: Duration) -> Result<Value, String> {
        let Self { mut process, version, _home } = self;
        let Ok(status) = timeout(deadline, process.ended()).await else {
            return Err(format!("it hangs for more than {deadline:?}:\n{}", process.stderr.tail()));
        };
        let stdout = process.stdout.bytes();
        let output: Value = serde_json::from_slice(&stdout)
            .map_err(|error| format!("{status}, and no JSON ({error}) in {stdout:?}:\n{}", process.stderr.tail()))?;
        if !status.success() {
            return Err(format!("{status}: {}\n{}", output["results"], process.stderr.tail()));
        }
        let client = output["client"].as_str().unwrap_or_default();
        if !client.starts_with(version) {
            return Err(format!("it is {client}, not {version}"));
        }
        Ok(output["results"].clone())
    }
}
