//! How other commands of this user talk to a running agent: a socket of the file system that only this user can open, a
//! line of JSON each way.
//!
//! ```text
//! gantz token … ─▶ client ─▶ socket of the run folder ─▶ server ─▶ the tunnel's book of tokens
//! ```

pub mod client;
mod message;
mod place;
mod server;

pub use message::{Answer, Command, Made, Refusal, Tunnel};
pub use place::{NoPlace, Place};
pub use server::{Books, Server};
