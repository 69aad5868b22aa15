//! `gantz-relay serve`.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::pin;
use std::time::Duration;

use gantz_cli::{Logs, Said, Stop};
use gantz_shared::control::Secret;
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::limits::DEFAULT_PORT;

use super::args::{AccessArg, ServeArgs, TlsArg};
use super::{contradictions, open_files, settings};
use crate::access::AccessError;
use crate::config::{Config, Domain};
use crate::tls::{TlsError, Unfit};
use crate::{Relay, Sockets, StartError};

/// With port 0 the system chooses one for TCP; it is taken for UDP too, and this often another is tried when it is not
/// free there.
const PORT_TRIES: usize = 16;

/// How long a second signal leaves to tell the agents.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(super) fn run(mut args: ServeArgs, mut said: Said) -> Result<Exit, Failure> {
    contradictions::settle(&mut args, &mut said).into_iter().next().map_or(Ok(()), Err)?;
    logs(&args).init()?;
    let mut config = settings::config(&args).map_err(|mut wrong| wrong.remove(0))?;
    config.limits.connections = open_files::connections(config.limits.connections, config.workers.get());
    let runtime = gantz_transport::runtime::build()
        .map_err(|error| Failure::new(Exit::Failed, "cannot start the runtime").why(error))?;
    runtime.block_on(serve(&args, config))
}

pub(super) fn logs(args: &ServeArgs) -> Logs {
    Logs { format: args.log_format, filter: filter(args.verbose), variable: "GANTZ_RELAY_LOG" }
}

async fn serve(args: &ServeArgs, mut config: Config) -> Result<Exit, Failure> {
    let mut stop = Stop::new().map_err(|error| Failure::new(Exit::Failed, "cannot wait for signals").why(error))?;
    let sockets = match args.take_over {
        #[cfg(unix)]
        Some(true) => take_over(args, config.state_dir.as_deref())?,
        _ => bind(args)?,
    };
    let exporting = args.otlp.start(&mut config)?;
    let domain = config.domain.clone();
    let relay = Relay::start(config, sockets).map_err(|error| start_failure(&error, args))?;
    tracing::info!(
        domain = domain.as_str(),
        public = %relay.edge_addr(),
        agents = %relay.agent_addr(),
        admin = relay.admin_addr().map(|address| address.to_string()),
        "relay serves"
    );
    if let (Some(path), Some(fingerprint)) = (relay.ca_path(), relay.ca_fingerprint()) {
        tracing::info!(ca = %path.display(), sha256 = fingerprint, "agents and callers have to trust this CA (gantz run --relay-ca FILE)");
    }
    if let Some(key) = relay.first_key() {
        gantz_cli::print(login_line(&relay, &domain, key).as_bytes())?;
    }
    if args.access == AccessArg::Open {
        tracing::warn!("--access open: everybody who reaches this relay can open tunnels under its domain");
    }
    tokio::select! {
        signal = stop.signal() => {
            tracing::info!(signal, deadline = ?args.drain, "stopping: no new connections, open streams may finish");
        }
        () = relay.taken_over().cancelled_owned() => {
            tracing::info!(deadline = ?args.drain, "another process has taken over: open streams may finish");
        }
    }
    let cut = relay.cut();
    let mut shutdown = pin!(relay.shutdown());
    tokio::select! {
        drained = &mut shutdown => {
            if drained {
                tracing::info!("stopped: every stream had finished");
            } else {
                tracing::warn!("stopped: streams that had not finished were cut");
            }
            exporting.end().await;
        }
        signal = stop.signal() => {
            // At once, but not without a word: agents that hear nothing wait for a relay that is gone.
            cut.cancel();
            if tokio::time::timeout(LAST_WORDS, shutdown).await.is_err() {
                tracing::debug!("not everybody was told");
            }
            tracing::warn!(signal, "second signal: stopped at once");
            return Ok(Exit::Cut);
        }
    }
    Ok(Exit::Fine)
}

/// What the holder of the first access key types. On stdout, because logs hold no secrets.
fn login_line(relay: &Relay, domain: &Domain, key: &Secret) -> String {
    let port = relay.agent_addr().port();
    let port = if port == DEFAULT_PORT { String::new() } else { format!(":{port}") };
    let fingerprint = relay.ca_fingerprint().map(|print| format!(" --fingerprint {print}")).unwrap_or_default();
    let domain = domain.as_str();
    format!("gantz login {domain}{port} --key {}{fingerprint}\n", key.reveal())
}

fn bind(args: &ServeArgs) -> Result<Sockets, Failure> {
    let (edge, agents) = bind_pair(args.listen)?;
    let http = settings::http_listen(args).map(|address| tcp(address, "--http-listen")).transpose()?;
    let admin = Some(tcp(args.admin_listen, "--admin-listen")?);
    Ok(Sockets { edge: vec![edge], agents, http, admin, predecessor: None })
}

/// The listeners of the relay that runs with this state folder; where none does, they are bound.
#[cfg(unix)]
fn take_over(args: &ServeArgs, state_dir: Option<&std::path::Path>) -> Result<Sockets, Failure> {
    let failure = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, "cannot take over from the relay that runs")
            .why(why)
            .hint("stopping it first, and starting this one without --take-over")
    };
    let Some(dir) = state_dir else { return bind(args) };
    let Some(taken) = Sockets::take_over(dir).map_err(|error| failure(&error))? else {
        tracing::info!(state = %dir.display(), "no relay runs with this state folder: there is nothing to take over");
        return bind(args);
    };
    if args.tls == TlsArg::Acme && args.acme.needs_http() && taken.http.is_none() {
        return Err(failure(&"it has no listener for plain HTTP, and --acme-challenge http needs one"));
    }
    for listener in &taken.edge {
        let address = listener.local_addr().map_err(|error| failure(&error))?;
        if args.listen.port() != 0 && address.port() != args.listen.port() {
            return Err(failure(&format!("it listens on {address}, and --listen says {}", args.listen)));
        }
    }
    Ok(taken)
}

/// TCP and UDP on one port number.
fn bind_pair(address: SocketAddr) -> Result<(TcpListener, UdpSocket), Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let edge = tcp(address, "--listen")?;
        let chosen = edge.local_addr().map_err(|error| taken(address, "TCP", "--listen", &error))?;
        match gantz_transport::quic::bind(chosen) {
            Ok(agents) => return Ok((edge, agents)),
            Err(error) if address.port() == 0 && tries < PORT_TRIES && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(taken(chosen, "UDP", "--listen", &error)),
        }
    }
}

fn tcp(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| taken(address, "TCP", flag, &error))
}

pub(super) fn taken(address: SocketAddr, protocol: &str, flag: &str, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "stop what uses {protocol} port {0}, or choose another with {flag}; --take-over where it is a relay \
                 with the same --state-dir",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("a port above 1023 with {flag}, or the capability CAP_NET_BIND_SERVICE")
        }
        _ => format!("an address of this machine with {flag}"),
    };
    Failure::new(Exit::Failed, format!("cannot listen on {address} ({protocol})")).why(error).hint(hint)
}

pub(super) fn start_failure(error: &StartError, args: &ServeArgs) -> Failure {
    match error {
        StartError::State(_) | StartError::Tls(TlsError::State(_)) => {
            Failure::new(Exit::Failed, "cannot use the state folder")
                .hint("a folder that this user may write to with --state-dir")
                .words(&error.to_string())
        }
        StartError::Access(
            error @ (AccessError::Database(_) | AccessError::Damaged(_) | AccessError::Newer(_)),
        ) => Failure::new(Exit::Failed, "cannot use the access keys").why(format!("access.db: {error}")).hint(match error {
            AccessError::Newer(_) => "that gantz-relay, or a later one",
            _ => "a backup, into an empty folder (gantz-relay restore); without the file, keys and names begin anew",
        }),
        StartError::Tls(TlsError::Dns { address, source }) => taken(*address, "DNS", "--acme-dns-listen", source),
        StartError::Tls(TlsError::Zone(name)) => Failure::new(Exit::Usage, "--acme-dns-zone cannot be used")
            .why(name)
            .hint("a name such as acme.example.com"),
        StartError::Tls(TlsError::Unfit { why, .. }) => {
            Failure::new(Exit::Usage, "cannot use the certificate").why(error).hint(mend(why, args))
        }
        StartError::Tls(_) if args.tls == TlsArg::Files => Failure::new(Exit::Usage, "cannot use the certificate")
            .why(error)
            .hint("the chain, leaf first, with --tls-cert, and its private key with --tls-key, both PEM"),
        _ => Failure::new(Exit::Failed, "cannot start the relay").words(&error.to_string()),
    }
}

/// How to get a certificate that does.
fn mend(why: &Unfit, args: &ServeArgs) -> String {
    let domain = args.domain.as_ref().map_or("DOMAIN", Domain::as_str);
    match why {
        Unfit::NotYetValid { .. } => "check this machine's clock, or the certificate that is valid today".into(),
        Unfit::Expired { .. } => "renew it, or check this machine's clock".into(),
        Unfit::Names { .. } => format!(
            "a certificate for {domain} and *.{domain}; authorities give a wildcard by the DNS challenge (certbot: \
             --preferred-challenges dns -d {domain} -d '*.{domain}')"
        ),
        _ => "the chain, leaf first, with --tls-cert".into(),
    }
}

fn filter(verbose: u8) -> &'static str {
    match verbose {
        0 => "info",
        1 => "info,gantz_relay=debug,gantz_acme=debug,gantz_transport=debug",
        _ => "debug",
    }
}
