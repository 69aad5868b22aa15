//! The real binaries: one relay, and an agent for each local server, all of them logging as much as they can.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use gantz_tests::{DOMAIN, binaries, canary, logs, within};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, command};

/// A relay and its agents.
pub(crate) struct Gantz {
    relay: Process,
    agents: Vec<Process>,
    /// Tokens that were made by command, which are as secret as those that are known beforehand.
    made: Mutex<Vec<String>>,
    /// Where the relay listens.
    pub(crate) address: String,
    home: TempDir,
}

/// A public URL and what opens it.
#[derive(Debug, Clone)]
pub(crate) struct Tunnel {
    pub(crate) url: String,
    pub(crate) token: String,
    /// Where connections to the URL's host go: there is no DNS for it.
    pub(crate) address: String,
    /// The certificate authority of the relay.
    pub(crate) ca: PathBuf,
    /// The home of the agent, where commands find it.
    home: PathBuf,
}

impl Gantz {
    /// Starts the relay.
    pub(crate) async fn start() -> Self {
        logs::watch();
        let home = TempDir::new().unwrap();
        let cwd = folder(home.path(), "relay");
        let mut serve = command(binaries::gantz_relay(), &cwd);
        serve
            .args(["serve", "--domain", DOMAIN, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--tls", "self-signed", "--access", "open", "--log-format", "json", "-vv", "--state-dir"])
            .arg(state(home.path()))
            .env("GANTZ_RELAY_LOG", "trace");
        let mut relay = Process::start("gantz-relay", serve);
        let address = relay
            .line_of_stderr(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let fields = &line["fields"];
                (fields["message"] == "relay serves").then(|| fields["public"].as_str().unwrap().to_owned())
            })
            .await;
        Self { relay, agents: Vec::new(), made: Mutex::default(), address, home }
    }

    /// `gantz run` for the local server on `port`, of which the agent finds the endpoint by itself.
    pub(crate) async fn run(&mut self, port: u16) -> Tunnel {
        self.run_with(&[&port.to_string()]).await
    }

    /// `gantz run` with these arguments instead of a port.
    pub(crate) async fn run_with(&mut self, target: &[&str]) -> Tunnel {
        let cwd = folder(self.home.path(), &format!("agent-{}", self.agents.len()));
        let ca = state(self.home.path()).join("ca.pem");
        let mut run = command(binaries::gantz(), &cwd);
        run.args(["run", "--auth", "--json", "--log-requests", "--log-format", "json", "-vv"])
            .args(["--relay", &self.address, "--relay-ca"])
            .arg(&ca)
            .args(target)
            .env("GANTZ_TOKEN", canary::TOKEN)
            .env("GANTZ_KEY", canary::ACCESS_KEY)
            .env("GANTZ_LOG", "trace");
        let mut agent = Process::start("gantz run", run);
        let ready = agent
            .line_of_stdout(|line| {
                let event: Value = serde_json::from_str(line).ok()?;
                (event["event"] == "ready").then_some(event)
            })
            .await;
        self.agents.push(agent);
        assert!(ready["name"].is_string() && ready["expires_at"].is_string(), "{ready}");
        let text = |key: &str| ready[key].as_str().unwrap_or_else(|| panic!("no {key}: {ready}")).to_owned();
        let tunnel = Tunnel { url: text("url"), token: text("token"), address: self.address.clone(), ca, home: cwd };
        assert_eq!(tunnel.token, canary::TOKEN);
        tunnel
    }

    /// `gantz token` with these arguments, for a tunnel that runs: what it prints as JSON.
    pub(crate) async fn token(&self, tunnel: &Tunnel, args: &[&str]) -> Value {
        let mut token = command(binaries::gantz(), &tunnel.home);
        token.arg("token").args(args).arg("--json");
        let output = within("gantz token", token.output()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gantz token {args:?} ended with {}: {said}", output.status);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        self.made.lock().unwrap().extend(answer["token"].as_str().map(str::to_owned));
        answer
    }

    /// A token of its own for a caller, made with these flags.
    pub(crate) async fn add(&self, tunnel: &Tunnel, flags: &[&str]) -> String {
        let made = self.token(tunnel, &[&["add"], flags].concat()).await;
        assert_eq!(made["applied"], true, "the relay knows of it");
        made["token"].as_str().expect("a token is printed").to_owned()
    }

    /// Stops everything, and looks for the secrets in whatever was written.
    pub(crate) async fn finish(mut self) {
        for agent in &mut self.agents {
            let status = agent.stop().await;
            assert!(status.success(), "gantz run ended with {status}:\n{}", agent.stderr.tail());
        }
        let status = self.relay.stop().await;
        assert!(status.success(), "gantz-relay ended with {status}:\n{}", self.relay.stderr.tail());

        for agent in &self.agents {
            let stdout = without_ready(&agent.stdout.bytes());
            assert!(!stdout.is_empty(), "stdout has the requests and the end");
            self.clean("the agent's stdout", &stdout);
            assert!(!agent.stderr.bytes().is_empty(), "the agent logs");
            self.clean("the agent's stderr", &agent.stderr.bytes());
        }
        self.clean("the relay's stdout", &self.relay.stdout.bytes());
        self.clean("the relay's stderr", &self.relay.stderr.bytes());
        let files = files(self.home.path());
        assert!(files.iter().any(|file| file.ends_with("ca.pem")), "{files:?}");
        assert_eq!(files.iter().filter(|file| is_kept(file)).count(), self.agents.len(), "{files:?}");
        for file in files {
            let (what, written) = (file.display().to_string(), fs::read(&file).unwrap());
            if is_kept(&file) {
                Self::clean_of_others(&what, &written);
            } else {
                self.clean(&what, &written);
            }
        }
    }

    fn clean(&self, what: &str, written: &[u8]) {
        Self::clean_of_others(what, written);
        let text = String::from_utf8_lossy(written);
        if let Some(made) = self.made.lock().unwrap().iter().find(|made| text.contains(made.as_str())) {
            show(what, &text, made);
        }
    }

    /// The secrets that gantz has from others are nowhere; what it has made itself may be kept for the next run.
    fn clean_of_others(what: &str, written: &[u8]) {
        if let Some(spelling) = canary::find(written) {
            show(what, &String::from_utf8_lossy(written), spelling);
        }
    }
}

fn show(what: &str, text: &str, spelling: &str) -> ! {
    let line = text.lines().find(|line| line.contains(spelling)).unwrap_or("(over several lines)");
    panic!("{what} holds a secret, as {spelling}:\n{line}");
}

/// What a tunnel leaves for its next run: the one file that may hold a token.
fn is_kept(file: &Path) -> bool {
    let folder = Path::new(".local/state/gantz/tunnels");
    file.extension().is_some_and(|ending| ending == "json")
        && file.parent().is_some_and(|parent| parent.ends_with(folder))
}

/// The one line that may hold the token is the one that exists for it.
fn without_ready(stdout: &[u8]) -> Vec<u8> {
    let is_ready = |line: &[u8]| serde_json::from_slice(line).is_ok_and(|event: Value| event["event"] == "ready");
    let lines = stdout.split_inclusive(|byte| *byte == b'\n');
    let (ready, others): (Vec<_>, Vec<_>) = lines.partition(|line| is_ready(line));
    assert_eq!(ready.len(), 1, "{}", String::from_utf8_lossy(stdout));
    assert!(canary::find(ready[0]).is_some(), "the search finds what is there");
    others.concat()
}

fn state(home: &Path) -> PathBuf {
    home.join("state")
}

fn folder(home: &Path, name: &str) -> PathBuf {
    let folder = home.join(name);
    fs::create_dir(&folder).unwrap();
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
