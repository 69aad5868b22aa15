//! Other tunnels, where this machine has them. They splice TCP: no HTTP is parsed, no token is checked, nothing is
//! encrypted.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::client::Target;
use crate::ends::{End, Ends};
use crate::process::{Announces, Process};
use crate::rows::Row;

/// bore, as a row.
pub(crate) async fn bore(program: &Path, ends: &Ends, origin: SocketAddr) -> Row {
    let relay = bore_server(program, &ends.relay).await;
    let (agent, target) = bore_local(program, ends, origin).await;
    Row { name: "bore", target, relay: Some(relay), agent: Some(agent), idle: None }
}

/// Its server. Its control port is fixed (7835), so nothing else may use it.
pub(crate) async fn bore_server(program: &Path, end: &End) -> Process {
    let mut command = end.command(program);
    command.args(["server", "--bind-addr", &end.address.to_string()]).env("NO_COLOR", "1");
    let listening = |line: &str| line.contains("server listening").then_some(());
    Process::start("bore server", &mut command, Announces::Stdout, listening).await.0
}

/// A client of it, and where its callers go.
pub(crate) async fn bore_local(program: &Path, ends: &Ends, origin: SocketAddr) -> (Process, Target) {
    let address = ends.relay.address.to_string();
    let mut command = ends.agent.command(program);
    command.args(["local", "--local-host", &origin.ip().to_string(), "--to", &address, &origin.port().to_string()]);
    command.env("NO_COLOR", "1");
    let port = |line: &str| line.rsplit_once(&format!("listening at {address}:"))?.1.trim().parse::<u16>().ok();
    let (agent, port) = Process::start("bore local", &mut command, Announces::Stdout, port).await;
    (agent, Target::plain((ends.relay.address, port).into()))
}

/// rathole, as a row.
pub(crate) async fn rathole(program: &Path, ends: &Ends, origin: SocketAddr, folder: &Path) -> Row {
    let server = Rathole::start(program, &ends.relay, 1, folder).await;
    let (agent, target) = server.client(0, ends, origin).await;
    Row { name: "rathole", target, relay: Some(server.process), agent: Some(agent), idle: None }
}

/// A rathole server. It has to be told beforehand which clients there will be.
pub(crate) struct Rathole {
    pub(crate) process: Process,
    program: PathBuf,
    control: SocketAddr,
    /// Where the callers of each go.
    public: Vec<SocketAddr>,
    folder: PathBuf,
}

/// What server and clients have to agree on.
const TOKEN: &str = "default_token = \"bench\"\n";

impl Rathole {
    /// For so many clients; its files are in `folder`.
    pub(crate) async fn start(program: &Path, end: &End, clients: usize, folder: &Path) -> Self {
        let (control, public) = (end.free(), end.free_ports(clients));
        let config = folder.join("rathole-server.toml");
        let mut text = format!("[server]\nbind_addr = \"{control}\"\n{TOKEN}");
        for (index, public) in public.iter().enumerate() {
            write!(text, "[server.services.bench{index}]\nbind_addr = \"{public}\"\n").unwrap();
        }
        std::fs::write(&config, text).unwrap();
        let mut command = end.command(program);
        command.arg("--server").arg(&config);
        let process = started("rathole server", command, "Listening at").await;
        Self { process, program: program.to_owned(), control, public, folder: folder.to_owned() }
    }

    /// Client number `index`, and where its callers go.
    pub(crate) async fn client(&self, index: usize, ends: &Ends, origin: SocketAddr) -> (Process, Target) {
        let (control, public) = (self.control, self.public[index]);
        let config = self.folder.join(format!("rathole-client-{index}.toml"));
        let text = format!(
            "[client]\nremote_addr = \"{control}\"\n{TOKEN}[client.services.bench{index}]\nlocal_addr = \"{origin}\"\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut command = ends.agent.command(&self.program);
        command.arg("--client").arg(&config);
        let agent = started("rathole client", command, "Control channel established").await;
        // The server opens the public port only after it has told the client.
        ends.relay.listens("rathole's public port", public).await;
        (agent, Target::plain(public))
    }
}

/// The process when it has said `says`.
async fn started(name: &'static str, mut command: Command, says: &'static str) -> Process {
    command.env("RUST_LOG", "info").env("NO_COLOR", "1");
    Process::start(name, &mut command, Announces::Stdout, |line: &str| line.contains(says).then_some(())).await.0
}
