//! Running a relay oneself, as the README's chapter says it: with a real Docker engine, a real systemd's opinion and a real
//! Prometheus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stderr, reason = "what takes minutes says how far it is, and what was measured")]

#[allow(dead_code, reason = "the suite that it belongs to has a use for all of it")]
#[path = "../../../relay/acme/tests/pebble/authority.rs"]
mod authority;
mod backup;
mod bad_state;
mod base_images;
mod certificate;
mod chapter;
mod checkout;
mod dashboard;
mod engine;
mod health;
mod packages;
#[allow(dead_code, reason = "shared with the suite of the command lines, which uses all of it")]
#[path = "../cli/process.rs"]
mod process;
mod readme;
#[allow(dead_code, reason = "shared with the suite of access keys, which uses all of it")]
#[path = "../access/relay.rs"]
mod relay;
mod story;
mod systemd;

use gantz_tests::within;
use process::{Ended, Folder, Running, gantz, gantz_relay};
use relay::Relay;
