//! What holds when the network between agent and relay is bad.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blocked;
mod events;
mod moves;
