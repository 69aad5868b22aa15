//! A `gantz-relay` that asks for access keys, and runs of `gantz` that show some.

use gantz_tests::{client, lasting_port};
use reqwest::Url;
use serde_json::Value;

use crate::process::Cli;
use crate::{Ended, Folder, Running, gantz, gantz_relay};

/// Dropped, it is killed.
pub(crate) struct Relay {
    pub(crate) running: Running,
    pub(crate) port: u16,
    pub(crate) folder: Folder,
}

/// A key, as whoever made it knows it.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Key {
    pub(crate) fn of(made: &Value) -> Self {
        let text = |member: &str| made[member].as_str().unwrap().to_owned();
        Self { id: text("id"), secret: text("key") }
    }
}

impl Relay {
    /// With a state folder of its own.
    pub(crate) async fn start() -> Self {
        Self::start_again(lasting_port(), Folder::new(), "").await
    }

    /// On the port and with the state of one that was.
    pub(crate) async fn start_again(port: u16, folder: Folder, flags: &str) -> Self {
        let serve = format!("serve --domain relay.test --tls off --state-dir state --drain 1s {flags}");
        let mut running = gantz_relay(&serve)
            .arg(format!("--listen=127.0.0.1:{port}"))
            .arg("--admin-listen=127.0.0.1:0")
            .within(&folder)
            .start();
        running.stderr.line("relay serves").await;
        Self { running, port, folder }
    }

    /// Ends it as a service manager does, and starts it again.
    pub(crate) async fn restart(self) -> Self {
        self.running.signal("TERM").await;
        let ended = self.running.end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        Self::start_again(self.port, self.folder, "").await
    }

    /// What the operator types, behind `gantz-relay`.
    pub(crate) async fn operator(&self, args: &str) -> Ended {
        gantz_relay(args).arg("--state-dir=state").within(&self.folder).end().await
    }

    /// As [`operator`](Self::operator), which has to succeed, and gives JSON.
    pub(crate) async fn told(&self, args: &str) -> Value {
        let ended = self.operator(&format!("{args} --json")).await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// A new key.
    pub(crate) async fn key(&self, args: &str) -> Key {
        Key::of(&self.told(&format!("key add {args}")).await)
    }

    /// `gantz run` with the demo, against this relay; each in a home of its own.
    pub(crate) fn run(&self, key: Option<&Key>, args: &str) -> Cli {
        self.run_to("--demo", key, args)
    }

    /// As [`run`](Self::run), to another server.
    pub(crate) fn run_to(&self, target: &str, key: Option<&Key>, args: &str) -> Cli {
        let ca = self.folder.path().join("state/ca.pem");
        let run = gantz(&format!("run --auth {target} --json --relay=127.0.0.1:{} {args}", self.port));
        let run = run.arg(format!("--relay-ca={}", ca.display()));
        match key {
            Some(key) => run.env("GANTZ_KEY", &key.secret),
            None => run,
        }
    }

    /// A run that has to come to a tunnel.
    pub(crate) async fn open(&self, key: &Key, args: &str) -> Run {
        Run::ready(self.run(Some(key), args).start()).await
    }

    /// A run that has to be refused: the screen.
    pub(crate) async fn refused(&self, key: Option<&Key>, args: &str) -> String {
        let ended = self.run(key, args).end().await;
        assert_eq!(ended.code(), Some(3), "{ended}");
        ended.stderr
    }

    /// Where the operator's listener is.
    pub(crate) fn admin(&self, path: &str) -> String {
        let log = self.running.stderr.now();
        let (_, address) = log.split_once("admin=\"").expect("the log names it");
        format!("http://{}{path}", address.split('"').next().unwrap())
    }

    /// Everything that the relay has written, secrets that were told to somebody not among it.
    pub(crate) fn assert_silent_about(&self, key: &Key) {
        let secret = &key.secret[4..];
        assert!(!self.running.stderr.now().contains(secret), "the log has a key in it");
        let mut folders = vec![self.folder.path().join("state")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    let bytes = std::fs::read(&path).unwrap();
                    let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                    assert!(!found, "{} has a key in it", path.display());
                }
            }
        }
    }
}

/// A client without TLS, which there is none of here.
pub(crate) fn plain_http() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(client::trusting("", &[]))
}

/// A tunnel that is open.
pub(crate) struct Run {
    pub(crate) running: Running,
    pub(crate) url: Url,
    pub(crate) name: String,
    pub(crate) token: String,
}

impl Run {
    pub(crate) async fn ready(mut running: Running) -> Self {
        let ready: Value = serde_json::from_str(&running.stdout.line("\"ready\"").await).unwrap();
        let text = |member: &str| ready[member].as_str().unwrap().to_owned();
        Self { url: text("url").parse().unwrap(), name: text("name"), token: text("token"), running }
    }

    /// A call with its token.
    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        let url = self.url.join(path).unwrap();
        let here = ([127, 0, 0, 1], url.port().unwrap()).into();
        plain_http().resolve(url.host_str().unwrap(), here).build().unwrap().get(url).bearer_auth(&self.token)
    }

    /// Says goodbye.
    pub(crate) async fn leave(self) {
        self.running.signal("INT").await;
        let ended = self.running.end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
    }

    /// Waits for its end, which has to be a refusal: the screen.
    pub(crate) async fn refused(self) -> String {
        let ended = self.running.end().await;
        assert_eq!(ended.code(), Some(3), "{ended}");
        ended.stderr
    }
}
