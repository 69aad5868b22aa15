//! Who holds which name. In memory for one relay; another implementation can ask other relays.

mod claims;
mod memory;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use claims::Claims;
use futures_util::future::BoxFuture;
use gantz_shared::name::Name;
use gantz_shared::span::rounded;
pub(crate) use memory::Memory;
use tokio::sync::Notify;

use crate::access::{Key, MAX_NAMES_PER_KEY};
use crate::tunnels::Tunnel;

/// Names and their holders.
pub(crate) trait Directory: Send + Sync + 'static {
    /// Who holds `name`.
    fn find(&self, name: &str) -> Found;

    /// The tunnel to take when a relay serves only one, whatever the name.
    fn only(&self) -> Found;

    /// Gives `tunnel` its name, with what right it asks for it. Answers with the holder that it replaces.
    fn claim(&self, tunnel: &Arc<Tunnel>, right: Right) -> Result<Option<Arc<Tunnel>>, ClaimError>;

    /// Reserves a name that is wished for, for the claimant's access key: before its [`claim`](Self::claim), which is
    /// then with the right that this gives. A relay that asks for no keys reserves nothing.
    fn reserve<'a>(&'a self, name: &'a Name, key: &'a Key) -> BoxFuture<'a, Result<Right, ClaimError>>;

    /// Takes a reservation back that has just been made, where the claim came to nothing.
    fn unreserve<'a>(&'a self, name: &'a Name, key: &'a Key) -> BoxFuture<'a, ()>;

    /// Ends a claim, unless somebody else holds the name by now. A name that was held is kept for its holder's return:
    /// whoever got it next would get the tokens of its callers, too.
    fn release(&self, tunnel: &Tunnel, departure: Departure);
}

/// Where a name leads.
pub(crate) enum Found {
    /// To a tunnel of this relay.
    Here(Arc<Tunnel>),
    /// To an agent that is away; the notification comes when it, or another one, is back.
    Away(Arc<Notify>),
    /// Nowhere.
    Unknown,
}

/// With what right a name is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// None but to be the first who asks for it.
    First,
    /// None, and it is a name that nobody has ever had.
    Fresh,
    /// The claimant's access key has reserved it just now, and nobody's had before.
    Reserved,
    /// The claimant's access key has reserved it before. Another agent of the same key may hold it.
    SameKey,
    /// The relay's own ticket says that the name is the claimant's, unless somebody has a newer one: see
    /// [`Title`](crate::tunnels::Title).
    Ticket,
}

/// How the holder of a name goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Without a word: it is waited for.
    Away,
    /// With a goodbye: nobody waits for it.
    Goodbye,
    /// Before it knew that the name is its own.
    NeverThere,
}

/// Why a name is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Somebody holds it.
    #[error("the name `{0}` is taken")]
    Taken(Name),
    /// Its holder has gone on with a newer ticket.
    #[error("another gantz has gone on with the tunnel `{0}`, from a copy of what this one knows of it")]
    Superseded(Name),
    /// Its last holder may come back for it.
    #[error("the name `{name}` is kept for whoever had it last, for {} more", rounded(*left))]
    Kept {
        /// The name.
        name: Name,
        /// How long.
        left: Duration,
    },
    /// It is reserved for the holder of another access key.
    #[error("the name `{0}` is reserved for somebody else")]
    Reserved(Name),
    /// The claimant's access key is for other names.
    #[error("the access key is for other names than `{0}`")]
    NotAllowed(Name),
    /// The claimant's access key has too many names.
    #[error("the access key has {MAX_NAMES_PER_KEY} names reserved, as many as one may have")]
    TooManyNames,
    /// It cannot be written down whose it is.
    #[error("the relay cannot reserve names at the moment")]
    NotKept,
    /// It is one that the relay has drawn for somebody, or could.
    #[error("`{0}` is a name of the kind that the relay draws itself; only who was given it gets it again")]
    Drawn(Name),
    /// The relay was started again, and whoever had the name before may be on the way back.
    #[error("the relay was started again a moment ago, and keeps names for those who had them")]
    Returning,
    /// There are too many tunnels.
    #[error("this relay has as many tunnels as it may have")]
    Full,
}
