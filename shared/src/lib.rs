//! What gantz's relay and agent must agree on: frames, control messages, tokens, names, field rules and limits.
//!
//! Sans-IO: bytes go in, values or errors come out. There is no socket, no runtime and no clock here, so every rule can
//! be tested, fuzzed and frozen by itself. `gantz-transport` carries these bytes; `relay` and `agent` act on them.

pub mod answers;
pub mod authority;
pub mod control;
pub mod failure;
pub mod fields;
pub mod limits;
pub mod name;
pub mod rate;
pub mod reset;
pub mod span;
pub mod token;
pub mod wire;
