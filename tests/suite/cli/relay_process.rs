//! A `gantz-relay` of its own for a test, with a plain HTTP edge, and calls to its tunnels.

use std::path::PathBuf;
use std::sync::Arc;

use gantz_tests::lasting_port;
use reqwest::{RequestBuilder, Url};

use crate::process::{Cli, Folder, Running, gantz, gantz_relay};

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

    /// On the port and with the state of one that was.
    pub(crate) async fn start_again(port: u16, folder: Folder) -> Self {
        let command = "serve --domain relay.test --tls off --access open --state-dir state --drain 1s";
        let mut running = gantz_relay(command)
            .arg(format!("--listen=127.0.0.1:{port}"))
            .arg("--admin-listen=127.0.0.1:0")
            .within(&folder)
            .start();
        let line = running.stderr.line("relay serves").await;
        let (_, rest) = line.split_once("agents=127.0.0.1:").expect("the agents' port");
        let port = rest.split_whitespace().next().unwrap().parse().unwrap();
        Self { running, port, folder }
    }

    /// Ends it as a service manager does; gives what it takes to start it again.
    pub(crate) async fn stop(self) -> (u16, Folder) {
        self.running.signal("TERM").await;
        let ended = self.running.end().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        (self.port, self.folder)
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
    let url: Url = url.parse().unwrap();
    let here = ([127, 0, 0, 1], url.port().expect("a port")).into();
    let host = url.host_str().unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // Never asked: the edge is plain HTTP. reqwest wants one all the same.
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.resolve(host, here).build().unwrap().get(url)
}
