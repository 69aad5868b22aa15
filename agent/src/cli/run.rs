//! `gantz run`: from arguments to a running tunnel, and to its end.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gantz_cli::{Logs, Said, Stop};
use gantz_shared::control::Policy;
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::name::Name;
use http::StatusCode;
use http::uri::PathAndQuery;
use tokio::sync::watch;

use super::args::RunArgs;
use super::credentials::{self, Origin, trust};
use super::inside::{Inside, demo_tools};
use super::kept::Tunnel;
use super::printer::{Printer, Ready};
use super::{call_log, contradictions, failures, profile, snippet};
use crate::agent::Agent;
use crate::calls::Calls;
use crate::config::{Config, UPSTREAM_TIMEOUT};
#[cfg(unix)]
use crate::control;
use crate::kept::Keeper;
use crate::listing::Listing;
use crate::upstream::probe::{self, Found};

pub(super) fn run(mut args: RunArgs, said: &Said) -> Result<Exit, Failure> {
    contradictions::settle(&mut args, said)?;
    profile::apply(&mut args, said)?;
    Logs { format: args.log_format, filter: filter(args.verbose), variable: "GANTZ_LOG" }.init()?;
    check(&args)?;
    let printer = Printer::new(args.json.unwrap_or(false), args.log_requests.unwrap_or(false));
    // Before anything is begun, and to the end of everything.
    let tunnel = Tunnel::take(&args, printer)?;
    let (calls, _kept) = call_log::open(&args, printer)?;
    let runtime = gantz_transport::runtime::build()
        .map_err(|error| Failure::new(Exit::Failed, "cannot start the runtime").why(error))?;
    let result = runtime.block_on(open(args, &tunnel, calls, printer));
    // A name that is still being resolved must not keep the process.
    runtime.shutdown_background();
    result
}

/// What can be refused before anything is begun.
fn check(args: &RunArgs) -> Result<(), Failure> {
    if args.auth.is_none() {
        return Err(Failure::new(Exit::Usage, "who may call is not said")
            .why("a public URL without a token lets everybody call your server")
            .hint("--auth for a token, or --auth=none for a tunnel that is open on purpose"));
    }
    if args.target.is_none() && args.demo != Some(true) {
        return Err(Failure::new(Exit::Usage, "no local server is given")
            .why("a tunnel has to lead somewhere")
            .hint("gantz run --auth 8090 for a server on port 8090, or --demo for a small one of gantz's own"));
    }
    if let Some(name) = &args.name {
        Name::parse(name).map_err(|why| {
            Failure::new(Exit::Usage, format!("`{name}` cannot be a tunnel's name"))
                .why(why)
                .hint("a name such as my-tools, or none for a random one")
        })?;
    }
    Ok(())
}

async fn open(args: RunArgs, tunnel: &Tunnel, calls: Calls, printer: Printer) -> Result<Exit, Failure> {
    let mut inside = Inside::default();
    // From here on Ctrl-C means goodbye.
    let mut stop = Stop::new().map_err(|error| Failure::new(Exit::Failed, "cannot wait for signals").why(error))?;
    let credentials = credentials::begin(&args, tunnel.tokens(), printer)?;
    let calls = calls.hiding(credentials.token.clone());
    let first = credentials.book.first();
    if first.is_none() {
        printer.note("warning: --auth=none: everybody who knows the URL can call your server");
    } else if first.is_some_and(|first| first.expires.is_none()) {
        printer.note("warning: --token-ttl 0: this token lets its holders in for ever, or until you revoke it");
    }
    let (relay, trust) = match &args.relay {
        Some(relay) => {
            let trust = trust(&args)?;
            printer.note(&format!("connecting to {relay} …"));
            (relay.clone(), trust)
        }
        None => {
            printer.note("no relay configured: running one inside this process (this machine only)");
            inside.start_relay(args.local_listen, printer)?
        }
    };
    let target = match &args.target {
        Some(target) => target.clone(),
        None => {
            let target = inside.start_demo().await?;
            printer.note(&format!("demo MCP server: {}", demo_tools()));
            target
        }
    };
    let config = Config {
        transports: args.transport.map(Into::into).unwrap_or_default(),
        access_key: args.key.clone(),
        name: args.name.clone(),
        resume: tunnel.ticket(),
        policy: Policy {
            open: credentials.origin == Origin::Open,
            tokens: Vec::new(),
            allowed_origins: args.allow_origin.clone(),
        },
        host_header: args.host_header.clone(),
        upstream_headers: args.upstream_header.clone(),
        upstream_timeout: args.upstream_timeout.unwrap_or(UPSTREAM_TIMEOUT),
        calls,
        ..Config::new(relay.clone(), trust, target)
    };
    let known = Arc::new(OnceLock::<String>::new());
    let (opened, reopened) = watch::channel(None);
    let observer = Arc::new({
        let known = known.clone();
        move |event: &crate::Event| {
            if let crate::Event::Reconnected(welcome, _)
            | crate::Event::Moved(welcome, _)
            | crate::Event::Renewed(welcome) = event
            {
                opened.send_replace(Some(welcome.clone()));
            }
            printer.event(event, known.get().map_or("", String::as_str));
        }
    });
    let started = tokio::select! {
        started = Agent::start_with(config.clone(), credentials.book.clone(), observer) => started,
        _ = stop.signal() => {
            printer.stopped();
            return Ok(Exit::Fine);
        }
    };
    let mut agent = started.map_err(|error| failures::start(&error, &relay))?;
    let welcome = agent.welcome().clone();
    // Before anybody hears of a token, so that it is the same after the worst of ends.
    let keeper = tunnel.keep(&args, agent.tokens(), &welcome, reopened, printer).await;

    let path = tokio::select! {
        path = endpoint(&config, printer) => path,
        ended = agent.ended() => return Err(failures::ended(ended, &relay)),
        _ = stop.signal() => return Ok(leave(agent, inside, &mut stop, printer).await),
    };
    let path = match path {
        Ok(path) => path,
        Err(failure) => {
            // With a goodbye, so that the name is free again.
            agent.shutdown().await;
            inside.shutdown().await;
            return Err(failure);
        }
    };
    let path = known.get_or_init(|| path);
    let url = format!("{}{path}", welcome.url);
    let tools = (agent.upstream().clone(), agent.tools().clone(), agent.tokens().clone());
    let _listing = Listing::start(tools.0, path_of(path), tools.1, tools.2);
    // Who reads that the tunnel is ready may talk to it.
    #[cfg(unix)]
    let _control = control(&agent, &config, keeper.clone(), path, &url, printer);
    tunnel.compare(&welcome, credentials.origin, printer);
    let carried = agent.carried();
    let transport = carried.borrow().by;
    printer.carried(&carried.borrow());
    let expires_at = agent.tokens().first().and_then(|first| first.expires);
    printer.ready(&Ready {
        url: &url,
        name: welcome.name.as_str(),
        token: credentials.token.as_ref(),
        life: credentials::left(&args, credentials.origin, expires_at, agent.tokens().first_life()),
        transport,
        expires_at,
        print_config: args.print_config,
        label: &snippet::label(&args, welcome.name.as_str()),
        demo: args.demo == Some(true),
    });
    drop(credentials);
    tokio::select! {
        ended = agent.ended() => Err(failures::ended(ended, &relay)),
        _ = stop.signal() => Ok(leave(agent, inside, &mut stop, printer).await),
    }
}

/// Lets `gantz token` and `gantz status` find this tunnel.
#[cfg(unix)]
fn control(
    agent: &Agent,
    config: &Config,
    keeper: Option<Arc<Keeper>>,
    path: &str,
    url: &str,
    printer: Printer,
) -> Option<control::Server> {
    let tunnel = control::Tunnel {
        name: agent.welcome().name.to_string(),
        url: url.to_owned(),
        relay: config.relay.to_string(),
        target: config.target.to_string(),
        pid: std::process::id(),
        tokens: (!config.policy.open).then_some(0),
        calls: 0,
        transport: String::new(),
    };
    let books = control::Books {
        tokens: agent.tokens().clone(),
        keeper,
        tools: agent.tools().clone(),
        carried: agent.carried(),
        upstream: agent.upstream().clone(),
        path: path_of(path),
    };
    let started = control::Place::of_user()
        .map_err(|error| error.to_string())
        .and_then(|place| control::Server::start(&place, tunnel, books).map_err(|error| error.to_string()));
    // The tunnel is what was asked for; it works without.
    started
        .inspect_err(|why| printer.note(&format!("gantz token and gantz status will not find this tunnel: {why}")))
        .ok()
}

/// It comes out of a URL, or is one of ours.
fn path_of(path: &str) -> PathAndQuery {
    path.parse().unwrap_or(PathAndQuery::from_static("/"))
}

/// How long a second signal leaves to tell the relay.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Goodbye; a second signal ends it at once.
async fn leave(agent: Agent, inside: Inside, stop: &mut Stop, printer: Printer) -> Exit {
    printer.note("closing the tunnel; calls in flight may finish (Ctrl-C again: at once) …");
    let cut = agent.cut();
    let mut shutdown = pin!(async {
        agent.shutdown().await;
        inside.shutdown().await;
    });
    tokio::select! {
        () = &mut shutdown => {
            printer.stopped();
            Exit::Fine
        }
        _ = stop.signal() => {
            // At once, but not without a word: callers of a tunnel that is only gone would wait for it.
            cut.cancel();
            if tokio::time::timeout(LAST_WORDS, shutdown).await.is_err() {
                tracing::debug!("not everybody was told");
            }
            Exit::Cut
        }
    }
}

/// The path on which the local server speaks MCP; waits for a server that is not up.
async fn endpoint(config: &Config, printer: Printer) -> Result<String, Failure> {
    let target = &config.target;
    if !probe::is_up(target).await {
        printer.note(&format!("waiting for {target} … (callers get 503 meanwhile)"));
        probe::wait(target).await;
    }
    let found = probe::look(config)
        .await
        .map_err(|why| Failure::new(Exit::Usage, format!("{target} cannot be called")).why(why))?;
    match found {
        Found::Endpoint(path) => Ok(path),
        Found::Guarded(path, status) => {
            let (why, flag) = if status == StatusCode::UNAUTHORIZED {
                ("asks for a credential of its own", "--upstream-header 'Authorization: …' sends one")
            } else {
                ("refuses the call", "--upstream-header 'Authorization: …' sends a credential, --host-header a Host")
            };
            printer.note(&format!("{target} answers {} on {path}: it {why} ({flag})", status.as_u16()));
            Ok(path)
        }
        Found::NoEndpoint => {
            printer.note(&format!("{target} answers, but not with MCP on /mcp or /sse: a full URL says where it is"));
            Ok("/".to_owned())
        }
        Found::NotHttp(why) => Err(Failure::new(Exit::Failed, format!("{target} does not speak HTTP"))
            .why(why)
            .hint("the port of an MCP server that speaks HTTP; a stdio server has no port")),
    }
}

fn filter(verbose: u8) -> &'static str {
    // The demo's SDK is somebody else's: what it has to say is of use to few. And a packet that cannot be sent is sent again
    // or answered by another way to the relay, of which gantz itself tells.
    match verbose {
        0 => "warn,rmcp=off,quinn_udp=off",
        1 => "info,gantz_agent=debug,gantz_transport=debug,rmcp=off,quinn_udp=off",
        _ => "debug,rmcp=info",
    }
}
