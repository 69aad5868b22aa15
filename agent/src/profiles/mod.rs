//! Relays that the user has logged in to: where each is, the access key for it, and whom to believe that it is the relay.
//! One file in the user's configuration folder, of mode 0600; a key goes to the relay that it was stored for and to no
//! other.

mod file;

use std::collections::BTreeMap;

use gantz_shared::control::Secret;
use serde::{Deserialize, Serialize};

pub use file::{Place, Unusable};

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

    /// The one for this relay; the default one, where there are several.
    #[must_use]
    pub fn of_relay(&self, relay: &RelayAddress) -> Option<&Profile> {
        let relay = relay.to_string();
        let default = self.default_one().map(|(_, profile)| profile);
        default.into_iter().chain(self.relays.values()).find(|profile| profile.relay == relay)
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.relays.keys().map(String::as_str)
    }

    /// Adds one, in place of that of its name, and makes it the default.
    pub fn add(&mut self, name: String, profile: Profile) {
        self.relays.insert(name.clone(), profile);
        self.default = Some(name);
    }

    /// Forgets one; `false`: there is none of this name. Where one is left, that is the default then.
    pub fn remove(&mut self, name: &str) -> bool {
        let is_removed = self.relays.remove(name).is_some();
        if self.default.as_deref() == Some(name) {
            self.default = if self.relays.len() == 1 { self.relays.keys().next().cloned() } else { None };
        }
        is_removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(relay: &str) -> Profile {
        let key = Secret::new(format!("gzk_of_{relay}"));
        Profile { relay: relay.into(), key: Some(key), fingerprint: None }
    }

    #[test]
    fn the_last_one_is_the_default_and_a_key_goes_to_its_own_relay() {
        let mut profiles = Profiles::default();
        assert!(profiles.default_one().is_none());
        profiles.add("home".into(), profile("home.test:443"));
        profiles.add("work".into(), profile("work.test:8443"));
        assert_eq!(profiles.default_one().map(|(name, _)| name), Some("work"));
        let of = |profiles: &Profiles, relay: &str| profiles.of_relay(&relay.parse().unwrap()).cloned();
        assert_eq!(of(&profiles, "home.test"), Some(profile("home.test:443")));
        assert_eq!(of(&profiles, "home.test:8443"), None);
        assert_eq!(of(&profiles, "other.test"), None);
        assert!(!profiles.remove("other"));
        assert!(profiles.remove("work"));
        assert_eq!(profiles.default_one().map(|(name, _)| name), Some("home"));
        assert!(profiles.remove("home"));
        assert!(profiles.default_one().is_none());
        assert_eq!(profiles, Profiles::default());
    }
}
