//! The relay's side of the agent: opening a tunnel, and serving what comes through it.

mod answer;
mod connect;
mod dial;
mod request;
mod requests;
mod session;
mod whereabouts;

pub use connect::{Carried, Transport};
pub use dial::{OpenError, Opening, open};
pub use session::{Ended, Session, Signs, Work};
pub(crate) use whereabouts::{Whereabouts, silent};
