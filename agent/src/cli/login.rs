//! `gantz login`: a relay and the access key for it, tried out before they are stored.

use std::io::{IsTerminal, Read};
use std::sync::Arc;

use clap::Args;
use gantz_shared::control::{RefusalCode, Secret};
use gantz_shared::failure::{Exit, Failure, printable};
use gantz_shared::limits::{DEFAULT_PORT, MAX_TOKEN_LEN};
use gantz_transport::ConnectError;

use super::args::{TransportArg, secret};
use super::failures;
use super::printer::say;
use super::profile::{self, unusable};
use crate::agent::{Agent, StartError};
use crate::config::{Config, RelayAddress, Trust};
use crate::fingerprint::Fingerprint;
use crate::profiles::{Place, Profile};
use crate::tunnel::OpenError;
use crate::upstream::Target;

/// What a tunnel leads to that nobody may call.
const NOWHERE: &str = "127.0.0.1:9";

/// The flags of `gantz login`.
#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The relay
    #[arg(env = "GANTZ_RELAY", value_name = "HOST[:PORT]")]
    relay: RelayAddress,
    /// The access key; without this it is read from the standard input, where no list of processes shows it
    #[arg(long, env = "GANTZ_KEY", hide_env_values = true, value_name = "KEY", value_parser = secret)]
    key: Option<Secret>,
    /// SHA-256 of the relay's own certificate authority, which the relay says at its start [default: the system's
    /// authorities are believed]
    #[arg(long, env = "GANTZ_FINGERPRINT", value_name = "SHA-256")]
    fingerprint: Option<Fingerprint>,
    /// What you call this relay, for gantz run --profile [default: its host]
    #[arg(long, env = "GANTZ_PROFILE", value_name = "NAME", value_parser = profile::name)]
    profile: Option<String>,
    /// What carries the tunnel: QUIC, TLS over TCP, or what gets through [default: auto]
    #[arg(long, env = "GANTZ_TRANSPORT", value_enum, value_name = "TRANSPORT")]
    transport: Option<TransportArg>,
}

pub(super) fn run(args: LoginArgs) -> Result<Exit, Failure> {
    let place = Place::of_user().map_err(|error| unusable(None, &error))?;
    // Before the relay is asked: what cannot be stored need not be tried out.
    let mut profiles = place.read().map_err(|error| unusable(Some(&place), &error))?;
    let key = match args.key {
        Some(key) => key,
        None => asked_for()?,
    };
    let key = Some(key).filter(|key| !key.reveal().is_empty());
    let runtime = gantz_transport::runtime::build()
        .map_err(|error| Failure::new(Exit::Failed, "cannot start the runtime").why(error))?;
    let transports = args.transport.map(Into::into).unwrap_or_default();
    let trust = args.fingerprint.map_or(Trust::System, Trust::Fingerprint);
    let target: Target = NOWHERE.parse().map_err(|why: String| Failure::new(Exit::Failed, why))?;
    let config = Config { access_key: key.clone(), transports, ..Config::new(args.relay.clone(), trust, target) };
    let tried = runtime.block_on(try_out(config));
    runtime.shutdown_background();
    tried.map_err(|error| failure(&error, &args.relay))?;
    let name = args.profile.unwrap_or_else(|| named_after(&args.relay));
    let profile = Profile { relay: args.relay.to_string(), key, fingerprint: args.fingerprint };
    profiles.add(name.clone(), profile);
    place.write(&profiles).map_err(|error| unusable(Some(&place), &error.into()))?;
    say(&format!("  logged in to {} as profile {name} ({})\n", args.relay, place.file().display()));
    Ok(Exit::Fine)
}

/// One line. What is typed is seen; a key is pasted once.
fn asked_for() -> Result<Secret, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        say("  Access Key (none: an empty line): ");
    }
    let failed = |why: String| {
        Failure::new(Exit::Usage, "no access key can be read from the standard input").why(why).hint("--key KEY")
    };
    let mut line = String::new();
    let mut read = input.take(MAX_TOKEN_LEN as u64 + 2);
    std::io::BufRead::read_line(&mut std::io::BufReader::with_capacity(1, &mut read), &mut line)
        .map_err(|error| failed(error.to_string()))?;
    // The end of the input is no answer; an empty line is one.
    if line.is_empty() {
        return Err(failed("it is at its end".into()));
    }
    Ok(Secret::new(line.trim().to_owned()))
}

/// A whole handshake: the relay is the one that is meant, and takes the key. The tunnel is closed with a goodbye; nobody
/// could call through it.
async fn try_out(config: Config) -> Result<(), StartError> {
    match Agent::start(config, Arc::new(|_| {})).await {
        Ok(agent) => {
            agent.shutdown().await;
            Ok(())
        }
        // It was taken, and is in use.
        Err(StartError::Open(OpenError::Refused(refused))) if refused.code == RefusalCode::QuotaReached => Ok(()),
        Err(error) => Err(error),
    }
}

fn failure(error: &StartError, relay: &RelayAddress) -> Failure {
    match error {
        StartError::Open(OpenError::Connect(why @ ConnectError::Certificate(_))) => Failure::new(
            Exit::Unreachable,
            format!("the relay {relay} is not the one that is meant"),
        )
        .why(why)
        .hint(
            "--fingerprint with what its operator names, if it has a CA of its own; else the name in its certificate",
        ),
        other => failures::start(other, relay),
    }
}

fn named_after(relay: &RelayAddress) -> String {
    let name = if relay.port == DEFAULT_PORT { relay.host.clone() } else { relay.to_string() };
    printable(&name)
}
