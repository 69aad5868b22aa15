//! The relay's side of the agent: opening a tunnel, and serving what comes through it.

mod answer;
mod dial;
mod request;
mod session;

pub use dial::{OpenError, open};
pub use session::{Ended, Session, Work};
