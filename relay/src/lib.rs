//! The relay: answers on public names and carries each request to the agent that holds the name.
//!
//! ```text
//! TCP  edge ─▶ directory ─▶ tunnels ═QUIC═▶ agent
//! UDP  tunnels ◀═════════════════════════ agent: hello, welcome
//! ```
//!
//! The binary parses and wires; everything else is here, so that tests and the agent's embedded relay start the same
//! relay in-process: [`Relay::start`] with a [`Config`] and [`Sockets`] that the caller has bound.

pub mod cli;
pub mod config;

mod access;
mod admin;
mod audit;
mod backup;
mod directory;
mod edge;
mod listeners;
mod metrics;
mod rates;
mod server;
mod sources;
mod state;
#[cfg(unix)]
mod takeover;
mod telemetry;
mod tls;
mod tunnels;

pub use config::{Access, AcmeConfig, AcmeProof, Config, Domain, Routing, TlsConfig};
pub use server::{Relay, Sockets, StartError};
pub use telemetry::Traces;
#[cfg(feature = "otlp")]
pub use telemetry::TracesError;

/// Every answer that the relay makes itself: its rows of the public table.
pub fn answers() -> impl Iterator<Item = gantz_shared::answers::Row> {
    edge::Code::ALL.iter().map(|code| code.row())
}
