//! Other tunnels, where this machine has them. They splice TCP: no HTTP is parsed, no token is checked, nothing is
//! encrypted.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantz_tests::binaries;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::client::Target;
use crate::process::{Announces, Process};
use crate::rows::Row;

/// How often a peer that says nothing is asked whether it serves.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// bore, or why not. Its control port is fixed (7835), so nothing else may use it.
pub(crate) async fn bore(program: &Path, origin: SocketAddr) -> Result<Row, String> {
    let program = installed(program)?;
    let mut command = Command::new(&program);
    command.args(["server", "--bind-addr", "127.0.0.1"]).env("NO_COLOR", "1");
    let listening = |line: &str| line.contains("server listening").then_some(());
    let (relay, ()) = Process::start("bore server", &mut command, Announces::Stdout, listening).await;
    let mut command = Command::new(&program);
    command.args(["local", "--local-host", "127.0.0.1", "--to", "127.0.0.1", &origin.port().to_string()]);
    command.env("NO_COLOR", "1");
    let port = |line: &str| line.rsplit_once("listening at 127.0.0.1:")?.1.trim().parse::<u16>().ok();
    let (agent, port) = Process::start("bore local", &mut command, Announces::Stdout, port).await;
    let target = Target::plain(([127, 0, 0, 1], port).into());
    Ok(Row { name: "bore", target, relay: Some(relay), agent: Some(agent) })
}

/// rathole, or why not.
pub(crate) async fn rathole(program: &Path, origin: SocketAddr, folder: &Path) -> Result<Row, String> {
    let program = installed(program)?;
    let (control, public) = (free(), free());
    let server = folder.join("rathole-server.toml");
    let client = folder.join("rathole-client.toml");
    let shared = "default_token = \"bench\"\n";
    std::fs::write(
        &server,
        format!("[server]\nbind_addr = \"{control}\"\n{shared}[server.services.bench]\nbind_addr = \"{public}\"\n"),
    )
    .unwrap();
    std::fs::write(
        &client,
        format!("[client]\nremote_addr = \"{control}\"\n{shared}[client.services.bench]\nlocal_addr = \"{origin}\"\n"),
    )
    .unwrap();
    let start = async |name, flag, config: &Path, says: &'static str| {
        let mut command = Command::new(&program);
        command.arg(flag).arg(config).env("RUST_LOG", "info").env("NO_COLOR", "1");
        Process::start(name, &mut command, Announces::Stdout, |line: &str| line.contains(says).then_some(())).await.0
    };
    let relay = start("rathole server", "--server", &server, "Listening at").await;
    let agent = start("rathole client", "--client", &client, "Control channel established").await;
    // The server opens the public port only after it has told the client.
    listens("rathole's public port", public).await;
    Ok(Row { name: "rathole", target: Target::plain(public), relay: Some(relay), agent: Some(agent) })
}

/// When somebody listens at `address`.
pub(crate) async fn listens(what: &str, address: SocketAddr) {
    gantz_tests::within(what, async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(ASK_AGAIN).await;
        }
    })
    .await;
}

/// An address that is free now: for programs that cannot say which port the system gave them.
pub(crate) fn free() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).unwrap()
}

/// The program's path: itself, or in a folder of `PATH`, or where `tests/benches/peers` installs it.
pub(crate) fn installed(program: &Path) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([binaries::root().join("target/tools/bin"), "/usr/sbin".into()]);
    let mut candidates = folders.map(|folder| folder.join(program));
    let named = program.components().count() > 1;
    let found = if named { program.canonicalize().ok() } else { candidates.find(|path| path.is_file()) };
    found.ok_or_else(|| "not installed (tests/benches/peers installs it)".to_owned())
}
