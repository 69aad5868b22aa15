//! `gantz logout`: forgets a relay and the access key for it.

use clap::Args;
use gantz_shared::failure::{Exit, Failure};

use super::printer::say;
use super::profile::{left_in_keyring, unknown, unusable};
use crate::profiles::{Place, Slot};

/// The flags of `gantz logout`.
#[derive(Debug, Args)]
pub(super) struct LogoutArgs {
    /// Which relay, as gantz login has called it [default: the one that gantz run goes to]
    #[arg(value_name = "PROFILE")]
    profile: Option<String>,
}

pub(super) fn run(args: LogoutArgs) -> Result<Exit, Failure> {
    let place = Place::of_user().map_err(|error| unusable(None, &error))?;
    let mut profiles = place.read().map_err(|error| unusable(Some(&place), &error))?;
    let name = match args.profile {
        Some(name) => name,
        None => match profiles.default_one() {
            Some((name, _)) => name.to_owned(),
            None => return Err(unknown(None, &profiles)),
        },
    };
    let removed = profiles.remove(&name).ok_or_else(|| unknown(Some(&name), &profiles))?;
    place.write(&profiles).map_err(|error| unusable(Some(&place), &error.into()))?;
    say(&format!("  logged out of {name}\n"));
    if let Some((next, _)) = profiles.default_one() {
        say(&format!("  gantz run goes to {next} now\n"));
    }
    // The last of all: where there is no keyring any more, the rest is forgotten all the same.
    match Some(removed).filter(|profile| profile.keyring).map(|profile| Slot::new(&name, &profile.relay)) {
        Some(slot) => slot.remove().map(|_| Exit::Fine).map_err(|error| left_in_keyring(&slot, &error)),
        None => Ok(Exit::Fine),
    }
}
