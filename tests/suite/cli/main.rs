//! The command lines, as the real binaries: every screen is under snapshot, as 80 columns show it, and every exit code
//! is asserted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod call_log;
mod closed_output;
mod config_check;
mod config_file;
mod contradictions;
mod first_minute;
mod help;
mod json;
mod kept;
mod local_server;
mod logs;
mod precedence;
mod process;
mod reaching_the_relay;
mod relay_bad_input;
mod relay_file;
mod relay_killed;
mod relay_process;
mod screens;
mod secrets;
mod shown_key;
mod signals;
mod snippets;
mod take_over;
mod taken_over;
mod taken_ports;
mod token;
mod workers;

use process::{Folder, gantz, gantz_relay};
use relay_process::RelayProcess;
