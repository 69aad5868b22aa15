//! `gantz login`: a relay and the access key for it, tried out before they are stored.

use std::io::{ErrorKind, IsTerminal, Read};
use std::sync::Arc;

use clap::Args;
use clap::builder::BoolishValueParser;
use gantz_cli::Stop;
use gantz_shared::control::{RefusalCode, Secret};
use gantz_shared::failure::{Exit, Failure, printable};
use gantz_shared::limits::{DEFAULT_PORT, MAX_TOKEN_LEN};
use gantz_transport::ConnectError;

use super::args::{TransportArg, secret};
use super::failures;
use super::printer::say;
use super::profile::{self, left_in_keyring, unusable};
use crate::agent::{Agent, StartError};
use crate::config::{Config, RelayAddress, Trust};
use crate::fingerprint::Fingerprint;
use crate::profiles::{KeyringError, Place, Profile, Slot};
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
    /// Keep the key in the system's keyring (Secret Service, Keychain, Credential Manager) and not in the file
    #[arg(long, env = "GANTZ_KEYRING", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    keyring: Option<bool>,
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
    place.read().map_err(|error| unusable(Some(&place), &error))?;
    if args.keyring == Some(true) {
        Slot::probe().map_err(|error| not_in_keyring(&error))?;
    }
    let given = match &args.key {
        Some(key) => Some(key.clone()),
        None if std::io::stdin().is_terminal() => None,
        None => Some(piped()?),
    };
    let runtime = gantz_transport::runtime::build()
        .map_err(|error| Failure::new(Exit::Failed, "cannot start the runtime").why(error))?;
    let done = runtime.block_on(async {
        // Heard from here on, so that it leaves the terminal as it was.
        let mut stop = Stop::new().map_err(|error| Failure::new(Exit::Failed, "cannot wait for signals").why(error))?;
        let Some(key) = given.map_or_else(typed, |key| Ok(Some(key)))? else { return Ok(Exit::Cut) };
        tokio::select! {
            done = log_in(args, key, &place) => done,
            _ = stop.signal() => Ok(Exit::Cut),
        }
    });
    // A name that is still being resolved, and a keyring that waits for a person, must not keep the process.
    runtime.shutdown_background();
    done
}

/// Tries it out, and stores it.
async fn log_in(args: LoginArgs, key: Secret, place: &Place) -> Result<Exit, Failure> {
    let key = Some(key).filter(|key| !key.reveal().is_empty());
    let transports = args.transport.map(Into::into).unwrap_or_default();
    let trust = args.fingerprint.map_or(Trust::System, Trust::Fingerprint);
    let target: Target = NOWHERE.parse().map_err(|why: String| Failure::new(Exit::Failed, why))?;
    let config = Config { access_key: key.clone(), transports, ..Config::new(args.relay.clone(), trust, target) };
    try_out(config).await.map_err(|error| failure(&error, &args.relay))?;
    let name = args.profile.unwrap_or_else(|| named_after(&args.relay));
    let slot = Slot::new(&name, &args.relay.to_string());
    let mut profile = Profile { relay: args.relay.to_string(), key, keyring: false, fingerprint: args.fingerprint };
    if args.keyring == Some(true)
        // A relay that asks for no key leaves nothing to put there.
        && let Some(key) = profile.key.take()
    {
        let slot = slot.clone();
        in_background(move || slot.put(&key)).await.map_err(|error| not_in_keyring(&error))?;
        profile.keyring = true;
    }
    let in_keyring = profile.keyring;
    // Read only now: another login, or a logout, may have come and gone while this one waited for its key.
    let mut profiles = place.read().map_err(|error| unusable(Some(place), &error))?;
    let replaced = profiles.add(name.clone(), profile);
    place.write(&profiles).map_err(|error| unusable(Some(place), &error.into()))?;
    let file = place.file().display();
    let kept = if in_keyring { format!("{file}, its key in the system's keyring") } else { file.to_string() };
    say(&format!("  logged in to {} as profile {name} ({kept})\n", args.relay));
    match replaced.filter(|old| old.keyring).map(|old| Slot::new(&name, &old.relay)) {
        Some(old) if !in_keyring || old != slot => {
            let there = old.clone();
            let removed = in_background(move || there.remove()).await;
            removed.map(|_| Exit::Fine).map_err(|error| left_in_keyring(&old, &error))
        }
        _ => Ok(Exit::Fine),
    }
}

/// The keyring may wait for a person.
async fn in_background<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    tokio::task::spawn_blocking(act).await.unwrap_or_else(|error| Err(KeyringError::Failed(error.to_string())))
}

/// The key is not stored, and nothing else is.
fn not_in_keyring(error: &KeyringError) -> Failure {
    Failure::new(Exit::Failed, "cannot keep the access key in the system's keyring")
        .why(error)
        .hint(profile::reach(error, "the same without --keyring, which keeps it in a file of mode 0600"))
}

/// One line of a terminal, which does not show it. None: Ctrl-C.
fn typed() -> Result<Option<Secret>, Failure> {
    say("  Access Key, which is not shown (none: an empty line): ");
    let typed = rpassword::read_password();
    say("\n");
    match typed {
        Ok(key) => Ok(Some(Secret::new(key.trim().to_owned()))),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(unread(error)),
    }
}

/// One line of what is no terminal.
fn piped() -> Result<Secret, Failure> {
    let mut line = String::new();
    let mut read = std::io::stdin().take(MAX_TOKEN_LEN as u64 + 2);
    std::io::BufRead::read_line(&mut std::io::BufReader::with_capacity(1, &mut read), &mut line).map_err(unread)?;
    // The end of the input is no answer; an empty line is one.
    if line.is_empty() {
        return Err(unread("it is at its end"));
    }
    Ok(Secret::new(line.trim().to_owned()))
}

fn unread(why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, "no access key can be read from the standard input").why(why).hint("--key KEY")
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
