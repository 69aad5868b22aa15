//! What `gantz login` has stored, where a run does not say it: the relay, the access key for it, and whom to believe.

use gantz_cli::Said;
use gantz_shared::control::Secret;
use gantz_shared::failure::{Exit, Failure};

use super::args::RunArgs;
use crate::profiles::{KeyringError, Place, Profile, Profiles, Slot, Unusable};

/// Longest name of a profile, characters.
const MAX_NAME: usize = 128;

/// Fills what neither flags nor environment nor files have said. A key is used for the relay that it was stored for only.
pub(super) fn apply(args: &mut RunArgs, said: &Said) -> Result<(), Failure> {
    // Whoever says where the relay inside this process listens wants that one.
    if args.local_listen.is_some() && args.profile.is_none() {
        return Ok(());
    }
    let place = match Place::of_user() {
        Err(_) if args.profile.is_none() => return Ok(()),
        place => place.map_err(|error| unusable(None, &error))?,
    };
    let profiles = place.read().map_err(|error| unusable(Some(&place), &error))?;
    let profile = match (&args.profile, &args.relay) {
        (Some(name), _) => Some((name.as_str(), profiles.get(name).ok_or_else(|| unknown(Some(name), &profiles))?)),
        (None, Some(relay)) => profiles.of_relay(relay),
        (None, None) => profiles.default_one(),
    };
    let Some((name, Profile { relay, key, keyring, fingerprint })) = profile else { return Ok(()) };
    if args.relay.is_none() {
        let relay = relay.parse().map_err(|_| unusable(Some(&place), &Unusable::Damaged))?;
        args.relay = Some(relay);
    }
    if said.layer("key").is_none() {
        args.key = if *keyring { Some(kept_key(name, relay)?) } else { key.clone() };
    }
    if args.relay_ca.is_none() {
        args.fingerprint = *fingerprint;
    }
    Ok(())
}

/// The key that is in the system's keyring.
fn kept_key(name: &str, relay: &str) -> Result<Secret, Failure> {
    let slot = Slot::new(name, relay);
    let failure = || {
        Failure::new(
            Exit::Failed,
            format!("cannot read the access key of the profile {name} from the system's keyring"),
        )
    };
    match slot.get() {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(failure().why(format!("`{}` is not there any more", slot.name())).hint("gantz login, again")),
        Err(error) => Err(failure().why(&error).hint(reach(&error, "--key or GANTZ_KEY"))),
    }
}

/// The profile is another now, or gone, and its key is not.
pub(super) fn left_in_keyring(slot: &Slot, error: &KeyringError) -> Failure {
    Failure::new(Exit::Failed, "that is done, but the access key is still in the system's keyring")
        .why(error)
        .hint(format!("removing `gantz`, `{}`, from it by hand", slot.name()))
}

/// How to get at the keyring, and what to do otherwise.
pub(super) fn reach(error: &KeyringError, otherwise: &str) -> String {
    match error {
        KeyringError::Missing(_) => {
            format!("a session with D-Bus and a keyring, such as a desktop's; else {otherwise}")
        }
        KeyringError::Locked(_) => format!("unlocking it, as logging in to the desktop does; else {otherwise}"),
        _ => otherwise.to_owned(),
    }
}

/// What a profile may be called.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_fine = !text.is_empty() && text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control);
    if is_fine { Ok(text.to_owned()) } else { Err(format!("it is empty, or longer than {MAX_NAME} characters; work")) }
}

/// The file is of no use.
pub(super) fn unusable(place: Option<&Place>, error: &Unusable) -> Failure {
    let what = match place {
        Some(place) => format!("cannot use {}, which holds what gantz login stores", place.file().display()),
        None => "there is no place for what gantz login stores".to_owned(),
    };
    Failure::new(Exit::Failed, what).words(&error.to_string())
}

/// No relay is called that.
pub(super) fn unknown(name: Option<&str>, profiles: &Profiles) -> Failure {
    let failure = match name {
        Some(name) => Failure::new(Exit::Usage, format!("there is no profile `{name}`")),
        None => Failure::new(Exit::Usage, "it is not said which profile"),
    };
    let names: Vec<_> = profiles.names().collect();
    if names.is_empty() {
        failure.why("no relay was logged in to").hint("gantz login RELAY")
    } else {
        failure.why("it is none of those that gantz login has stored").hint(names.join(", "))
    }
}
