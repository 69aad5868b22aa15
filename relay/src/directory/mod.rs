//! Who holds which name. In memory for one relay; another implementation can ask other relays.

mod memory;

use std::sync::Arc;

use gantz_shared::name::Name;
pub(crate) use memory::Memory;
use tokio::sync::Notify;

use crate::tunnels::Tunnel;

/// Names and their holders.
pub(crate) trait Directory: Send + Sync + 'static {
    /// Who holds `name`.
    fn find(&self, name: &str) -> Found;

    /// The tunnel to take when a relay serves only one, whatever the name.
    fn only(&self) -> Found;

    /// Gives `tunnel` its name, with what right it asks for it. Answers with the holder that it replaces.
    fn claim(&self, tunnel: &Arc<Tunnel>, right: Right) -> Result<Option<Arc<Tunnel>>, ClaimError>;

    /// Ends a claim, unless somebody else holds the name by now. With `come_back` the name is kept for its holder's
    /// return.
    fn release(&self, tunnel: &Tunnel, come_back: bool);
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
    /// The relay's own ticket says that the name is the claimant's, unless somebody else has claimed it since.
    Ticket,
}

/// Why a name is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Somebody holds it, or it is kept for somebody.
    #[error("the name `{0}` is taken")]
    Taken(Name),
    /// The relay was started again, and whoever had the name before may be on the way back.
    #[error("the relay was started again a moment ago, and keeps names for those who had them")]
    Kept,
    /// There are too many tunnels.
    #[error("this relay has as many tunnels as it may have")]
    Full,
}
