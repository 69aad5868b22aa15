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

    /// Gives `tunnel` its name, with what right it asks for it; perhaps its agent `moves` there from its holder.
    fn claim(&self, tunnel: &Arc<Tunnel>, right: Right, moves: bool) -> Result<Given, ClaimError>;

    /// The agent knows of `tunnel`: from now on the name leads there. Answers with where it led until now.
    fn arrived(&self, tunnel: &Tunnel) -> Option<Arc<Tunnel>>;

    /// Waits until it is written down that the name was claimed, where that is: before its agent is told.
    fn written<'a>(&'a self, name: &Name) -> BoxFuture<'a, ()>;

    /// Reserves a name that is wished for, for the claimant's access key: before its [`claim`](Self::claim), which is
    /// then with the right that this gives. A relay that asks for no keys reserves nothing.
    fn reserve<'a>(&'a self, name: &'a Name, key: &'a Key) -> BoxFuture<'a, Result<Right, ClaimError>>;

    /// Takes a reservation back that has just been made, where the claim came to nothing.
    fn unreserve<'a>(&'a self, name: &'a Name, key: &'a Key) -> BoxFuture<'a, ()>;

    /// Ends a claim, unless somebody else holds the name by now. Where its agent has not arrived, the name is again that of
    /// the tunnel that it moves from, if that is still there. A name that was held is kept for its holder's return:
    /// whoever got it next would get the tokens of its callers, too.
    fn release(&self, tunnel: &Tunnel, departure: Departure);
}

/// A name that was given.
pub(crate) struct Given {
    /// Those that have had it, and have no more to do.
    pub(crate) replaced: Vec<Arc<Tunnel>>,
    /// It leads to the tunnel that the agent moves from, until that [has arrived](Directory::arrived).
    pub(crate) awaited: bool,
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
    /// Its holder has gone on with a newer ticket, or has opened something newer.
    #[error("the tunnel `{0}` has gone on elsewhere with a newer ticket; `gantz run --new` opens another one")]
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
