//! The real binaries on machines of their own, under load.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use gantz_tests::{DOMAIN, binaries, canary};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::task::AbortOnDropHandle;

use super::namespaces::{Machine, Namespaces};
use super::process::Process;
use crate::load::{Aim, Load, Server};

/// The relay's, TCP and UDP.
const PORT: u16 = 4433;

/// See the module's head. Dropped, everything is gone: first the processes, then the machines.
pub(crate) struct Site {
    agent: Process,
    _relay: Process,
    /// What carries the tunnel at first.
    pub(crate) transport: String,
    server: Arc<Server>,
    aim: Aim,
    pub(crate) machines: Namespaces,
    _serving: AbortOnDropHandle<()>,
    _home: TempDir,
}

impl Site {
    /// Starts everything; `prepare` makes the network what it has to be before that.
    pub(crate) async fn start(prepare: impl FnOnce(&Namespaces)) -> Self {
        let machines = Namespaces::new();
        prepare(&machines);
        let home = TempDir::new().unwrap();
        let server = Arc::new(Server::default());
        let listener = TcpListener::bind((machines.server(), 0)).await.unwrap();
        let local = listener.local_addr().unwrap();
        let router = server.router();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let ca = certificate(home.path(), &[DOMAIN, &format!("*.{DOMAIN}"), &machines.relay().to_string()]);
        let mut relay = Process::start("gantz-relay", serve(&machines, home.path()));
        relay
            .line_of_stderr(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                (line["fields"]["message"] == "relay serves").then_some(())
            })
            .await;
        let mut agent = Process::start("gantz run", run(&machines, home.path(), local));
        let ready = event(&mut agent, "ready").await;
        let url = ready["url"].as_str().unwrap().trim_end_matches('/').to_owned();
        let edge = SocketAddr::from((machines.edge(), PORT));
        let host = format!("{}.{DOMAIN}", ready["name"].as_str().unwrap());
        let aim = Aim { url, host, token: canary::TOKEN.to_owned(), edge, ca };
        let transport = ready["transport"].as_str().unwrap().to_owned();
        let serving = AbortOnDropHandle::new(serving);
        Self { agent, _relay: relay, transport, server, aim, machines, _serving: serving, _home: home }
    }

    /// Puts it under load.
    pub(crate) async fn load(&self) -> Load {
        Load::start(self.aim.clone(), &self.server).await
    }

    /// Waits until the agent says this.
    pub(crate) async fn says(&mut self, what: &str) -> Value {
        event(&mut self.agent, what).await
    }
}

async fn event(agent: &mut Process, what: &str) -> Value {
    agent
        .line_of_stdout(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == what).then_some(event)
        })
        .await
}

/// A certificate that is its own authority, for the relay's files; returns it as PEM.
fn certificate(home: &Path, names: &[&str]) -> String {
    let key = KeyPair::generate().unwrap();
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let pem = CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem();
    std::fs::write(home.join("cert.pem"), &pem).unwrap();
    std::fs::write(home.join("key.pem"), key.serialize_pem()).unwrap();
    pem
}

fn serve(machines: &Namespaces, home: &Path) -> Command {
    let mut command = machines.inside(Machine::Relay, &binaries::gantz_relay(), home);
    command.args(["serve", "--access", "open", "--domain", DOMAIN, "--tls", "files", "--log-format", "json"]);
    command.args(["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--state-dir", "state"]);
    command.arg(format!("--listen=0.0.0.0:{PORT}")).arg("--admin-listen=127.0.0.1:0");
    command
}

fn run(machines: &Namespaces, home: &Path, local: SocketAddr) -> Command {
    let mut command = machines.inside(Machine::Agent, &binaries::gantz(), home);
    command.args(["run", "--auth", "--json", "--log-format", "json", "--call-log", "none", "--relay-ca", "cert.pem"]);
    command.arg(format!("--relay={}:{PORT}", machines.relay())).arg(format!("http://{local}/"));
    command.env("GANTZ_TOKEN", canary::TOKEN);
    command
}
