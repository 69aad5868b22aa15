//! `gantz run`: from arguments to a running tunnel, and to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gantz_shared::control::{Policy, TokenEntry};
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::name::Name;
use gantz_shared::token::Token;
use rand::rngs::SysRng;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::signal;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::args::{Auth, LogFormat, RunArgs};
use super::printer::{Printer, Ready};
use super::{failures, file};
use crate::agent::Agent;
use crate::config::{Config, RelayAddress, Trust, UPSTREAM_TIMEOUT};
use crate::runtime;
use crate::upstream::probe::{self, Found};
use crate::upstream::Target;

/// How long a token lives unless the user says otherwise.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What runs inside this process besides the agent.
struct Inside {
    relay: Option<gantz_relay_handle::Relay>,
    demo: Option<JoinHandle<std::io::Result<()>>>,
    stop: CancellationToken,
}

pub(super) fn run(mut args: RunArgs) -> Result<(), Failure> {
    init_logs(&args);
    file::merge(&mut args)?;
    check(&args)?;
    let runtime =
        runtime::build().map_err(|error| Failure::new(Exit::Failed, "cannot start the runtime").why(error))?;
    runtime.block_on(open(args))
}

/// What can be refused before anything is begun.
fn check(args: &RunArgs) -> Result<(), Failure> {
    if args.auth.is_none() {
        return Err(Failure::new(Exit::Usage, "who may call is not said")
            .why("a public URL without a token lets everybody call your server")
            .hint("gantz run --auth … for a token, or --auth=none for a tunnel that is open on purpose"));
    }
    if args.auth == Some(Auth::None) && args.token.is_some() {
        return Err(Failure::new(Exit::Usage, "--token and --auth=none contradict each other")
            .hint("leave one of them out (the token may come from GANTZ_TOKEN or a file)"));
    }
    if args.target.is_none() && !args.demo {
        return Err(Failure::new(Exit::Usage, "no local server is given")
            .hint("gantz run --auth 8090 for a server on port 8090, or --demo for a small one of gantz's own"));
    }
    if let Some(name) = &args.name {
        Name::parse(name)
            .map_err(|why| Failure::new(Exit::Usage, format!("`{name}` cannot be a tunnel's name")).why(why).hint("letters, digits and hyphens, such as my-tools"))?;
    }
    Ok(())
}

async fn open(args: RunArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.json, args.log_requests);
    let mut inside = Inside { relay: None, demo: None, stop: CancellationToken::new() };
    let (token, expires_at) = credentials(&args)?;
    if token.is_none() {
        printer.note("warning: --auth=none: everybody who knows the URL can call your server");
    }
    let (relay, trust) = match &args.relay {
        Some(relay) => (relay.clone(), trust(&args)?),
        None => {
            printer.note("no relay configured: running one inside this process (this machine only)");
            inside.start_relay(args.local_listen, printer)?
        }
    };
    let target = match &args.target {
        Some(target) if !args.demo => target.clone(),
        _ => {
            let target = inside.start_demo().await?;
            printer.note(&format!("demo MCP server: {}", demo_tools()));
            target
        }
    };
    let config = Config {
        access_key: args.key.clone(),
        name: args.name.clone(),
        policy: policy(&args, token.as_ref(), expires_at),
        host_header: args.host_header.clone(),
        upstream_headers: args.upstream_header.clone(),
        upstream_timeout: args.upstream_timeout.unwrap_or(UPSTREAM_TIMEOUT),
        ..Config::new(relay.clone(), trust, target.clone())
    };
    let observer = Arc::new(move |event: &crate::Event| printer.event(event));
    // From here on Ctrl-C means goodbye.
    let mut stop = std::pin::pin!(stop_signal());
    let started = tokio::select! {
        started = Agent::start(config, observer) => started,
        signal = &mut stop => return signal,
    };
    let mut agent = started.map_err(|error| failures::start(&error, &relay))?;
    let welcome = agent.welcome().clone();

    let path = tokio::select! {
        path = endpoint(&target, printer) => path?,
        ended = agent.ended() => return ended.map_err(|error| failures::open(&error, &relay)),
        signal = &mut stop => {
            signal?;
            return leave(agent, inside, printer).await;
        }
    };
    printer.ready(&Ready {
        url: &format!("{}{path}", welcome.url),
        name: welcome.name.as_str(),
        token: token.as_ref(),
        expires_at,
        print_config: args.print_config,
        demo: args.demo,
    });
    drop(token);
    tokio::select! {
        ended = agent.ended() => ended.map_err(|error| failures::open(&error, &relay)),
        signal = stop => {
            signal?;
            leave(agent, inside, printer).await
        }
    }
}

/// Goodbye; a second signal ends it at once.
async fn leave(agent: Agent, inside: Inside, printer: Printer) -> Result<(), Failure> {
    printer.note("closing the tunnel; calls in flight may finish (Ctrl-C again to stop at once) …");
    tokio::select! {
        () = async { agent.shutdown().await; inside.shutdown().await } => printer.stopped(),
        signal = stop_signal() => signal?,
    }
    Ok(())
}

/// The path on which the local server speaks MCP; waits for a server that is not up.
async fn endpoint(target: &Target, printer: Printer) -> Result<String, Failure> {
    if !probe::is_up(target).await {
        printer.note(&format!("waiting for {target} … (callers get 503 meanwhile)"));
        probe::wait(target).await;
    }
    let found = probe::look(target)
        .await
        .map_err(|why| Failure::new(Exit::Usage, format!("{target} cannot be called")).why(why))?;
    match found {
        Found::Endpoint(path) => Ok(path),
        Found::NoEndpoint => {
            printer.note(&format!("{target} answers, but neither on /mcp nor on /sse: give a full URL if MCP is elsewhere"));
            Ok("/".to_owned())
        }
        Found::NotHttp(why) => Err(Failure::new(Exit::Failed, format!("{target} does not speak HTTP"))
            .why(why)
            .hint("the port of an MCP server with an HTTP transport (a stdio server has none)")),
    }
}

fn credentials(args: &RunArgs) -> Result<(Option<Token>, Option<SystemTime>), Failure> {
    if args.auth == Some(Auth::None) {
        return Ok((None, None));
    }
    let token = match &args.token {
        Some(brought) => Token::parse(brought.reveal()).map_err(|why| {
            Failure::new(Exit::Usage, "the token that was brought is refused")
                .why(why)
                .hint("leave --token and GANTZ_TOKEN out for a fresh one with 256 bits, or bring one from `openssl rand -base64 32`")
        })?,
        None => Token::generate(&mut SysRng)
            .map_err(|error| Failure::new(Exit::Failed, "the system gives no random bytes").why(error))?,
    };
    let ttl = args.token_ttl.unwrap_or(TOKEN_TTL);
    if ttl.is_zero() {
        return Ok((Some(token), None));
    }
    let expires_at = SystemTime::now().checked_add(ttl).ok_or_else(|| {
        Failure::new(Exit::Usage, "--token-ttl is beyond the end of time").hint("0 for a token that never expires")
    })?;
    Ok((Some(token), Some(expires_at)))
}

fn policy(args: &RunArgs, token: Option<&Token>, expires_at: Option<SystemTime>) -> Policy {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Policy {
        open: token.is_none(),
        tokens: token
            .map(|token| TokenEntry {
                id: "run".to_owned(),
                digest: token.digest(),
                expires_at: expires_at.map(seconds),
                label: None,
            })
            .into_iter()
            .collect(),
        allowed_origins: args.allow_origin.clone(),
    }
}

fn trust(args: &RunArgs) -> Result<Trust, Failure> {
    let Some(path) = &args.relay_ca else { return Ok(Trust::System) };
    let failed = |why: String| {
        Failure::new(Exit::Usage, format!("--relay-ca {} cannot be used", path.display()))
            .why(why)
            .hint("the ca.pem in the relay's state folder")
    };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("it holds no PEM certificate".into()));
    }
    Ok(Trust::Only(certificates))
}

/// Ctrl-C, or what a service manager sends.
async fn stop_signal() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, "cannot wait for signals").why(error);
    #[cfg(unix)]
    {
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            result = signal::ctrl_c() => result.map_err(failed),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    {
        signal::ctrl_c().await.map_err(failed)
    }
}

fn init_logs(args: &RunArgs) {
    use tracing_subscriber::EnvFilter;
    // The demo's SDK logs whole messages, and with them what callers say: only when it is asked for by name.
    let level = match args.verbose {
        0 => "warn,rmcp=off",
        1 => "info,gantz_agent=debug,gantz_transport=debug,rmcp=off",
        _ => "debug,rmcp=info",
    };
    let filter = EnvFilter::try_from_env("GANTZ_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    match args.log_format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}

#[cfg(feature = "embedded-relay")]
mod gantz_relay_handle {
    pub(super) use gantz_relay::Relay;
}

#[cfg(not(feature = "embedded-relay"))]
mod gantz_relay_handle {
    /// Never made: this build has no relay inside.
    pub(super) enum Relay {}
}

impl Inside {
    #[cfg(feature = "embedded-relay")]
    fn start_relay(
        &mut self,
        listen: Option<SocketAddr>,
        printer: Printer,
    ) -> Result<(RelayAddress, Trust), Failure> {
        use crate::embedded::{self, DEFAULT_LISTEN, EmbeddedError};
        let started = match (embedded::start(listen.unwrap_or(DEFAULT_LISTEN)), listen) {
            (Err(EmbeddedError::Listen { address, source }), None) => {
                printer.note(&format!("{address} is not free ({source}): taking another port"));
                embedded::start(SocketAddr::new(DEFAULT_LISTEN.ip(), 0))
            }
            (started, _) => started,
        };
        let embedded = started.map_err(|error| {
            Failure::new(Exit::Failed, "cannot start the relay inside this process")
                .why(error)
                .hint("another address with --local-listen, or a relay elsewhere with --relay")
        })?;
        self.relay = Some(embedded.relay);
        Ok((embedded.address, embedded.trust))
    }

    #[cfg(not(feature = "embedded-relay"))]
    fn start_relay(&mut self, _: Option<SocketAddr>, _: Printer) -> Result<(RelayAddress, Trust), Failure> {
        Err(Failure::new(Exit::Usage, "no relay is given").why("this build has none inside").hint("--relay HOST[:PORT]"))
    }

    #[cfg(feature = "demo")]
    async fn start_demo(&mut self) -> Result<Target, Failure> {
        let failed = |why: String| Failure::new(Exit::Failed, "cannot start the demo server").why(why);
        let listener =
            tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| failed(error.to_string()))?;
        let port = listener.local_addr().map_err(|error| failed(error.to_string()))?.port();
        self.demo = Some(tokio::spawn(crate::demo::serve(listener, self.stop.child_token())));
        format!("{port}").parse().map_err(failed)
    }

    #[cfg(not(feature = "demo"))]
    async fn start_demo(&mut self) -> Result<Target, Failure> {
        Err(Failure::new(Exit::Usage, "this build has no demo server").hint("the port of a server of your own"))
    }

    #[cfg(feature = "embedded-relay")]
    async fn shutdown_relay(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.shutdown().await;
        }
    }

    #[cfg(not(feature = "embedded-relay"))]
    async fn shutdown_relay(&mut self) {}

    async fn shutdown(mut self) {
        self.stop.cancel();
        self.shutdown_relay().await;
        if let Some(demo) = self.demo.take() {
            match demo.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "demo server failed"),
                Err(error) => tracing::error!(%error, "demo server failed"),
            }
        }
    }
}

#[cfg(feature = "demo")]
fn demo_tools() -> String {
    crate::demo::TOOLS.join(", ")
}

#[cfg(not(feature = "demo"))]
fn demo_tools() -> String {
    String::new()
}
