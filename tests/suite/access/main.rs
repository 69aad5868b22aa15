//! Access keys and reserved names, with the real binaries: who may open tunnels, which, and for how long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod claims;
mod first_start;
mod full_disk;
mod keyring;
mod lives;
mod login;
mod names;
#[allow(dead_code, reason = "shared with the suite of the command lines, which uses all of it")]
#[path = "../cli/process.rs"]
mod process;
mod quotas;
mod relay;

use process::{Ended, Folder, Running, gantz, gantz_relay};
use relay::{Key, Relay, Run};
