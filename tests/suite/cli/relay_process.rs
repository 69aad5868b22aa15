//! A `gantz-relay` of its own for a test, with a plain HTTP edge, and calls to its tunnels.

use std::path::PathBuf;
use std::sync::Arc;

use gantz_tests::lasting_port;
use reqwest::{RequestBuilder, Url};
use rustls::RootCertStore;

use crate::process::{Cli, Folder, Running, gantz, gantz_relay};
use crate::screens::assert_screen;

/// Dropped, it is killed.
pub(crate) struct RelayProcess {
    pub(crate) running: Running,
    pub(crate) port: u16,
    folder: Folder,
}

impl RelayProcess {
    /// On a port that stays free over a restart, with a state folder of its own.
    pub(crate) async fn start() -> Self {
        Self::start_again(lasting_port(), Folder::new()).await
    }

    /// As [`start`](Self::start), and logs all that there is, in this format.
    pub(crate) async fn talkative(format: &str) -> Self {
        let logs = [("GANTZ_RELAY_LOG", "trace"), ("GANTZ_RELAY_LOG_FORMAT", format)];
        Self::start_with("--tls off --drain 1s", &logs, lasting_port(), Folder::new()).await
    }

    /// As [`talkative`](Self::talkative), with TLS of its own CA.
    pub(crate) async fn talkative_tls() -> Self {
        Self::start_with("--tls self-signed --drain 1s", &[("GANTZ_RELAY_LOG", "trace")], lasting_port(), Folder::new())
            .await
    }

    /// On the port and with the state of one that was.
    pub(crate) async fn start_again(port: u16, folder: Folder) -> Self {
        Self::start_with("--tls off --drain 1s", &[], port, folder).await
    }

    /// With these flags.
    pub(crate) async fn with(flags: &str) -> Self {
        Self::start_with(flags, &[], lasting_port(), Folder::new()).await
    }

    /// With TLS of its own CA, and time to let streams finish.
    pub(crate) async fn patient() -> Self {
        Self::start_with("--tls self-signed --drain 30s", &[], lasting_port(), Folder::new()).await
    }

    /// Another process that takes over from this [`patient`](Self::patient) one.
    pub(crate) async fn successor(&self) -> Running {
        let mut running =
            Self::command("--tls self-signed --drain 30s --take-over", self.port).within(&self.folder).start();
        running.stderr.line("relay serves").await;
        running
    }

    fn command(flags: &str, port: u16) -> Cli {
        // Its agents are of many homes, and share their names all the same.
        let command = format!("serve --domain relay.test --access open --state-dir state --keep-names 0s {flags}");
        gantz_relay(&command).arg(format!("--listen=127.0.0.1:{port}")).arg("--admin-listen=127.0.0.1:0")
    }

    async fn start_with(flags: &str, env: &[(&str, &str)], port: u16, folder: Folder) -> Self {
        let cli = env.iter().fold(Self::command(flags, port), |cli, (name, value)| cli.env(name, value));
        let mut running = cli.within(&folder).start();
        running.stderr.line("relay serves").await;
        Self { running, port, folder }
    }

    /// Ends it as a service manager does; gives what it takes to start it again.
    pub(crate) async fn stop(self) -> (u16, Folder) {
        self.running.signal("TERM").await;
        let ended = self.running.end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        (self.port, self.folder)
    }

    /// Ends it as nothing should; gives what it takes to start it again.
    pub(crate) async fn kill(self) -> (u16, Folder) {
        self.running.signal("KILL").await;
        let ended = self.running.end().await;
        assert_eq!(ended.code(), None, "{ended}");
        (self.port, self.folder)
    }

    /// Its tickets get a new key.
    pub(crate) async fn rotate_tickets(&self) {
        let ended = gantz_relay("tickets rotate --state-dir state").within(&self.folder).end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert_screen!("tickets_rotated", ended.stdout);
    }

    /// Its CA's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("state/ca.pem")
    }

    /// `gantz run` against this relay.
    pub(crate) fn run(&self, args: &str) -> Cli {
        gantz("run").arg(format!("--relay=127.0.0.1:{}", self.port)).relay_ca(self).args(args)
    }

    /// A call to `path` on the tunnel of `name`.
    pub(crate) fn get(&self, name: &str, path: &str) -> RequestBuilder {
        get(&format!("http://{name}.relay.test:{}{path}", self.port))
    }
}

impl Cli {
    /// Believes the relay's CA.
    fn relay_ca(self, relay: &RelayProcess) -> Self {
        let ca = relay.ca();
        self.arg(format!("--relay-ca={}", ca.display()))
    }

    fn args(self, args: &str) -> Self {
        args.split_whitespace().fold(self, Cli::arg)
    }
}

/// A call to `url` on this machine, whatever its host is.
pub(crate) fn get(url: &str) -> RequestBuilder {
    client(url, RootCertStore::empty()).get(url)
}

/// A client of `url`'s host on this machine that believes these authorities. HTTP/2 where the edge has it.
pub(crate) fn client(url: &str, roots: RootCertStore) -> reqwest::Client {
    let url: Url = url.parse().unwrap();
    let here = ([127, 0, 0, 1], url.port().expect("a port")).into();
    let host = url.host_str().unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.resolve(host, here).build().unwrap()
}
