//! Relays that the user has logged in to: where each is, the access key for it, and whom to believe that it is the relay.
//! One file in the user's configuration folder, of mode 0600, and for keys whose user wants it the system's keyring; a key goes to the relay that it was stored for and to no
//! other.

mod file;
mod keyring;

use std::collections::BTreeMap;

use gantz_shared::control::Secret;
use serde::{Deserialize, Serialize};

pub use file::{Place, Unusable};
pub use keyring::{KeyringError, Slot};

use crate::config::RelayAddress;
use crate::fingerprint::Fingerprint;

/// The form of the file.
const VERSION: u32 = 1;

/// One relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `HOST:PORT`.
    pub relay: String,
    /// None for a relay that asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// The key is in the system's keyring, and not here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keyring: bool,
    /// That of the relay's own certificate authority; none: the system's are believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    version: u32,
    /// The one that is meant where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    relays: BTreeMap<String, Profile>,
}

impl Default for Profiles {
    fn default() -> Self {
        Self { version: VERSION, default: None, relays: BTreeMap::new() }
    }
}

impl Profiles {
    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.relays.get(name)
    }

    /// The one that is meant where none is named, with its name.
    #[must_use]
    pub fn default_one(&self) -> Option<(&str, &Profile)> {
        let name = self.default.as_deref()?;
        Some((name, self.relays.get(name)?))
    }

    /// The one for this relay, with its name; the default one, where there are several.
    #[must_use]
    pub fn of_relay(&self, relay: &RelayAddress) -> Option<(&str, &Profile)> {
        let relay = relay.to_string();
        let all = self.relays.iter().map(|(name, profile)| (name.as_str(), profile));
        self.default_one().into_iter().chain(all).find(|(_, profile)| profile.relay == relay)
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.relays.keys().map(String::as_str)
    }

    /// Adds one, in place of that of its name, which is given back, and makes it the default.
    pub fn add(&mut self, name: String, profile: Profile) -> Option<Profile> {
        let replaced = self.relays.insert(name.clone(), profile);
        self.default = Some(name);
        replaced
    }

    /// Forgets one, and gives it; none: there is none of this name. Where one is left, that is the default then.
    pub fn remove(&mut self, name: &str) -> Option<Profile> {
        let removed = self.relays.remove(name);
        if self.default.as_deref() == Some(name) {
            self.default = if self.relays.len() == 1 { self.relays.keys().next().cloned() } else { None };
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(relay: &str) -> Profile {
        let key = Secret::new(format!("gzk_of_{relay}"));
        Profile { relay: relay.into(), key: Some(key), keyring: false, fingerprint: None }
    }

    #[test]
    fn the_last_one_is_the_default_and_a_key_goes_to_its_own_relay() {
        let mut profiles = Profiles::default();
        assert!(profiles.default_one().is_none());
        profiles.add("home".into(), profile("home.test:443"));
        profiles.add("work".into(), profile("work.test:8443"));
        assert_eq!(profiles.default_one().map(|(name, _)| name), Some("work"));
        let of = |profiles: &Profiles, relay: &str| {
            profiles.of_relay(&relay.parse().unwrap()).map(|(_, profile)| profile.clone())
        };
        assert_eq!(of(&profiles, "home.test"), Some(profile("home.test:443")));
        assert_eq!(of(&profiles, "home.test:8443"), None);
        assert_eq!(of(&profiles, "other.test"), None);
        assert_eq!(profiles.remove("other"), None);
        assert_eq!(profiles.remove("work"), Some(profile("work.test:8443")));
        assert_eq!(profiles.default_one().map(|(name, _)| name), Some("home"));
        assert!(profiles.remove("home").is_some());
        assert!(profiles.default_one().is_none());
        assert_eq!(profiles, Profiles::default());
    }
}
