//! What holds when the network between agent and relay is bad.

mod moves;
