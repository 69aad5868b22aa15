//! `gantz run`: from arguments to a running tunnel, and to its end.

use std::sync::Arc;

use gantz_shared::failure::{Exit, Failure};
use gantz_shared::name::Name;

use super::args::{Auth, LogFormat, RunArgs};
use super::credentials::{credentials, policy, trust};
use super::inside::{Inside, demo_tools};
use super::printer::{Printer, Ready};
use super::stop::Stop;
use super::{failures, file};
use crate::agent::Agent;
use crate::config::{Config, UPSTREAM_TIMEOUT};
use crate::upstream::Target;
use crate::upstream::probe::{self, Found};

pub(super) fn run(mut args: RunArgs) -> Result<Exit, Failure> {
    init_logs(&args);
    file::merge(&mut args)?;
    check(&args)?;
    let runtime = gantz_transport::runtime::build()
        .map_err(|error| Failure::new(Exit::Failed, "cannot start the runtime").why(error))?;
    let result = runtime.block_on(open(args));
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
    if args.auth == Some(Auth::None) && args.token.is_some() {
        return Err(Failure::new(Exit::Usage, "--token and --auth=none contradict each other")
            .why("the one asks callers for a token, the other for nothing")
            .hint("one of them alone; the token may also come from GANTZ_TOKEN or from a file"));
    }
    if args.target.is_none() && !args.demo {
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

async fn open(args: RunArgs) -> Result<Exit, Failure> {
    let printer = Printer::new(args.json, args.log_requests.unwrap_or(false));
    let mut inside = Inside::default();
    // From here on Ctrl-C means goodbye.
    let mut stop = Stop::new().map_err(|error| Failure::new(Exit::Failed, "cannot wait for signals").why(error))?;
    let (token, expires_at) = credentials(&args)?;
    if token.is_none() {
        printer.note("warning: --auth=none: everybody who knows the URL can call your server");
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
    let started = tokio::select! {
        started = Agent::start(config, observer) => started,
        () = stop.signal() => {
            printer.stopped();
            return Ok(Exit::Fine);
        }
    };
    let mut agent = started.map_err(|error| failures::start(&error, &relay))?;
    let welcome = agent.welcome().clone();

    let path = tokio::select! {
        path = endpoint(&target, printer) => path,
        ended = agent.ended() => return Err(failures::ended(ended, &relay)),
        () = stop.signal() => return Ok(leave(agent, inside, &mut stop, printer).await),
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
        ended = agent.ended() => Err(failures::ended(ended, &relay)),
        () = stop.signal() => Ok(leave(agent, inside, &mut stop, printer).await),
    }
}

/// Goodbye; a second signal ends it at once.
async fn leave(agent: Agent, inside: Inside, stop: &mut Stop, printer: Printer) -> Exit {
    printer.note("closing the tunnel; calls in flight may finish (Ctrl-C again: at once) …");
    tokio::select! {
        () = async { agent.shutdown().await; inside.shutdown().await } => {
            printer.stopped();
            Exit::Fine
        }
        () = stop.signal() => Exit::Cut,
    }
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
            printer.note(&format!("{target} answers, but not with MCP on /mcp or /sse: a full URL says where it is"));
            Ok("/".to_owned())
        }
        Found::NotHttp(why) => Err(Failure::new(Exit::Failed, format!("{target} does not speak HTTP"))
            .why(why)
            .hint("the port of an MCP server that speaks HTTP; a stdio server has no port")),
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
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr())
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    // Where stderr is gone there is nowhere to report it, and trying to would panic.
    let logs = logs.log_internal_errors(false);
    match args.log_format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}
