//! Keys and names as JSON: of the command line and of the admin API. No secret is in it, but for a key that was just [`made`].

use gantz_shared::control::Secret;
use serde_json::{Value, json};

use super::{Key, Reservation, timestamp};

pub(crate) fn described(key: &Key) -> Value {
    let terms = key.terms();
    json!({
        "id": key.id(),
        "label": terms.label,
        "tunnels": terms.tunnels,
        "names": terms.names.as_ref().map(ToString::to_string),
        "rate": terms.rate,
        "created_at": timestamp(key.created_at()),
        "expires_at": terms.expires_at.map(timestamp),
        "revoked_at": key.revoked_at().map(timestamp),
    })
}

/// A new key, as JSON: with its secret, which is told this once.
pub(crate) fn made(key: &Key, secret: &Secret) -> Value {
    let mut described = described(key);
    described["key"] = secret.reveal().into();
    described
}

pub(crate) fn reserved(name: &Reservation) -> Value {
    json!({
        "name": name.name,
        "key": name.key,
        "label": name.label,
        "claimed_at": timestamp(name.claimed_at),
    })
}
