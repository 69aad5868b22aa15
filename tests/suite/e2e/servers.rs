//! The local servers: official SDKs in Python and TypeScript as processes, in Rust inside the test.

use std::path::Path;

use gantz_tests::within;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::process::{Process, command};
use crate::setup::environments;

/// How MCP is spoken over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Streamable HTTP, on `/mcp`.
    Http,
    /// HTTP+SSE, on `/sse`.
    Sse,
}

impl Transport {
    /// As the clients and servers name it on their command lines.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sse => "sse",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Http => "/mcp",
            Self::Sse => "/sse",
        }
    }
}

/// A running server; gone with its handle.
pub(crate) struct Server {
    /// Its endpoint.
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) transport: Transport,
    _running: Running,
}

/// What keeps a server alive.
enum Running {
    Process { _process: Box<Process>, _home: TempDir },
    Task { _task: JoinHandle<()>, _stop: DropGuard },
}

/// The Python SDK's server, on its 2.x line.
pub(crate) async fn python(transport: Transport) -> Server {
    let environments = environments().await;
    process("the Python server", transport, |home| {
        let mut server = command(environments.python("v2"), home);
        server.arg(environments.python_script("server.py"));
        server
    })
    .await
}

/// The same inside another application, which sends `/mcp` to `/mcp/`, by an absolute URL.
pub(crate) async fn mounted() -> Server {
    let environments = environments().await;
    process("the mounted server", Transport::Http, |home| {
        let mut server = command(environments.python("v2"), home);
        server.arg(environments.python_script("server.py")).arg("--mounted");
        server
    })
    .await
}

/// `@modelcontextprotocol/server-everything`.
pub(crate) async fn reference(transport: Transport) -> Server {
    let environments = environments().await;
    process("the reference server", transport, |home| {
        let mut server = command("node", home);
        server.arg(environments.node_script("serve_everything.mjs"));
        server
    })
    .await
}

/// The Rust SDK's server.
pub(crate) async fn rmcp() -> Server {
    let (listener, port) = listen().await;
    let stop = CancellationToken::new();
    let task = tokio::spawn(crate::rmcp_server::serve(listener, stop.clone()));
    in_process(port, Transport::Http, task, stop)
}

/// The server of `gantz run --demo`, by itself.
pub(crate) async fn demo(transport: Transport) -> Server {
    let (listener, port) = listen().await;
    let stop = CancellationToken::new();
    let serving = gantz_agent::demo::serve(listener, stop.clone());
    let task = tokio::spawn(async move { serving.await.unwrap() });
    in_process(port, transport, task, stop)
}

fn in_process(port: u16, transport: Transport, task: JoinHandle<()>, stop: CancellationToken) -> Server {
    let url = format!("http://127.0.0.1:{port}{}", transport.path());
    Server { url, port, transport, _running: Running::Task { _task: task, _stop: stop.drop_guard() } }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn process(name: &str, transport: Transport, command: impl FnOnce(&Path) -> Command) -> Server {
    let home = TempDir::new().unwrap();
    let mut command = command(home.path());
    command.args(["--transport", transport.flag()]);
    let mut process = Process::start(name, command);
    let url = within(name, process.line_of_stdout(|line| Some(line.strip_prefix("LISTENING ")?.to_owned()))).await;
    let uri: http::Uri = url.parse().unwrap();
    assert_eq!(uri.path(), transport.path());
    let running = Running::Process { _process: Box::new(process), _home: home };
    Server { port: uri.port_u16().unwrap(), url, transport, _running: running }
}
