//! What holds when the network between agent and relay is bad.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blackhole;
mod blocked;
mod delay;
mod disorder;
mod events;
mod linked;
mod load;
mod loss;
mod moves;
mod narrow;
mod net;
mod silent;
mod tcp;
mod weather;
