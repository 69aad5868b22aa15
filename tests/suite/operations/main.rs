//! What operators see of a relay: metrics, readiness, logs, and the traces that go through it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod counting;
mod events;
mod json_logs;
mod otlp;
mod parsers;
mod python;
mod ready;
mod scrape;
mod table;
mod trace;
