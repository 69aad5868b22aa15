//! Real MCP clients against real MCP servers: direct, and through the real `gantz-relay` and `gantz`. Both runs of a
//! client have to give the same results; see `tests/e2e/README.md` for what the clients do.
//!
//! ```text
//! client ───────────────────────────────▶ server     direct
//! client ──▶ gantz-relay ══▶ gantz run ──▶ server     tunnelled
//! ```
//!
//! Every tunnel of this suite is opened with a token that is known beforehand, while relay and agent log everything
//! they can: [`gantz::Gantz::finish`] stops them and looks for that token in each byte they wrote. What runs inside the
//! test is searched as everywhere ([`gantz_tests::canary`]).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clients;
mod compare;
mod gantz;
mod process;
mod rmcp_client;
mod rmcp_questions;
mod rmcp_scenarios;
mod rmcp_server;
mod rmcp_sessions;
mod servers;
mod setup;

mod credentials;
mod early_answer;
mod every_scenario;
mod long_calls;
mod redirected;
mod token_lives;
