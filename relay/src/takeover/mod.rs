//! A new relay process takes the place of the one that runs, and nobody is turned away.
//!
//! ```text
//! new process                        old process, over a socket in the state folder
//! {"version":1}             ──────▶
//!                                    makes a socket for each agent, reads strangers' packets no more
//!                           ◀──────  {"agents":12,"edge":1,…}, with its listeners (SCM_RIGHTS)
//! serves agents                      tells its agents to move: they open new tunnels, and keep the old ones
//! accepts, once they are there
//! {"serving":true}          ──────▶  accepts no more, lets streams finish, ends
//! ```
//!
//! Both hold the same listeners, so that no connection waits where nobody fetches it. An end of the socket before the
//! last word leaves everything with the old process.

mod give;
mod pass;
mod take;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use give::{Giving, serve};
use serde::{Deserialize, Serialize};
pub(crate) use take::{Predecessor, is_served, take};

/// Names of sockets can hardly be longer than a hundred bytes: it is a short one.
const FILE: &str = "takeover.sock";

/// The version of what the two say.
const VERSION: u32 = 1;

/// How long either may take for what needs no waiting.
const WORD: Duration = Duration::from_secs(5);

/// How long the new process waits for the agents before it accepts without them: their callers are held meanwhile.
const MOVE: Duration = Duration::from_secs(5);

/// How long the old process waits for the new one to serve.
const TAKEOVER: Duration = Duration::from_secs(30);

fn place(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// The first word, of the new process.
#[derive(Debug, Serialize, Deserialize)]
struct Ask {
    version: u32,
}

/// What comes with the listeners: those of agents, of the public, and where there are any of HTTP and the operator.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Offer {
    /// Tunnels that are going to move.
    agents: usize,
    edge: usize,
    http: bool,
    admin: bool,
}

/// The last word, of the new process.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    serving: bool,
}

/// A relay's listeners on TCP.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) edge: Vec<TcpListener>,
    pub(crate) http: Option<TcpListener>,
    pub(crate) admin: Option<TcpListener>,
}
