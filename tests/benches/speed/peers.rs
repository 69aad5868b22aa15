//! Other tunnels, where this machine has them. They splice TCP: no HTTP is parsed, no token is checked, nothing is
//! encrypted.

use std::net::SocketAddr;
use std::path::Path;

use crate::client::Target;
use crate::ends::{End, Ends};
use crate::process::{Announces, Process};
use crate::rows::Row;

/// bore. Its control port is fixed (7835), so nothing else may use it.
pub(crate) async fn bore(program: &Path, ends: &Ends, origin: SocketAddr) -> Row {
    let address = ends.relay.address.to_string();
    let mut command = ends.relay.command(program);
    command.args(["server", "--bind-addr", &address]).env("NO_COLOR", "1");
    let listening = |line: &str| line.contains("server listening").then_some(());
    let (relay, ()) = Process::start("bore server", &mut command, Announces::Stdout, listening).await;
    let mut command = ends.agent.command(program);
    command.args(["local", "--local-host", &origin.ip().to_string(), "--to", &address, &origin.port().to_string()]);
    command.env("NO_COLOR", "1");
    let port = |line: &str| line.rsplit_once(&format!("listening at {address}:"))?.1.trim().parse::<u16>().ok();
    let (agent, port) = Process::start("bore local", &mut command, Announces::Stdout, port).await;
    let target = Target::plain((ends.relay.address, port).into());
    Row { name: "bore", target, relay: Some(relay), agent: Some(agent), idle: None }
}

/// rathole.
pub(crate) async fn rathole(program: &Path, ends: &Ends, origin: SocketAddr, folder: &Path) -> Row {
    let (control, public) = (ends.relay.free(), ends.relay.free());
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
    let start = async |name, end: &End, flag, config: &Path, says: &'static str| {
        let mut command = end.command(program);
        command.arg(flag).arg(config).env("RUST_LOG", "info").env("NO_COLOR", "1");
        Process::start(name, &mut command, Announces::Stdout, |line: &str| line.contains(says).then_some(())).await.0
    };
    let relay = start("rathole server", &ends.relay, "--server", &server, "Listening at").await;
    let agent = start("rathole client", &ends.agent, "--client", &client, "Control channel established").await;
    // The server opens the public port only after it has told the client.
    ends.relay.listens("rathole's public port", public).await;
    Row { name: "rathole", target: Target::plain(public), relay: Some(relay), agent: Some(agent), idle: None }
}
