//! The agent: opens a tunnel to a relay and calls the local server for whoever comes through it.
//!
//! ```text
//! relay ═QUIC═▶ tunnel ─▶ upstream ─HTTP─▶ local server
//! ```
//!
//! The binary parses and wires; [`Agent::start`] is what it starts, and what tests start in-process.

pub mod agent;
pub mod calls;
pub mod cli;
pub mod config;
#[cfg(unix)]
pub mod control;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "embedded-relay")]
pub mod embedded;
pub mod fingerprint;
pub mod kept;
pub mod listing;
pub mod permissions;
pub mod profiles;
pub mod tokens;
pub mod tunnel;
pub mod upstream;

pub use agent::{Agent, Event};
pub use config::{Config, RelayAddress, Trust};
