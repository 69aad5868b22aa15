//! The same rows over a link that is long, narrow and lossy, as between an agent at home and a relay in a data centre:
//! kernel TCP and QUIC both feel its delay, its queue and its losses.
//!
//! ```text
//! callers ── relay ── link ── agent ── local server
//! ```
//!
//! Each measurement has machines, a link and processes of its own, so that nothing one has learnt of the link is known to
//! the next.

pub(crate) mod callers;
mod case;
mod network;
mod report;
pub(crate) mod simulator;

use std::io::IsTerminal;

use gantz_tests::namespaces;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;

pub(crate) use self::case::{Case, chosen, names};
use self::network::Network;
pub(crate) use self::report::Report;
use crate::Plan;
use crate::gantz::Binaries;

/// Rows, of those on loopback. Over the link `direct` has its way, too.
pub(crate) const ROWS: [&str; 5] = ["direct", "gantz plain", "gantz TCP", "bore", "rathole"];

/// Whether there can be a link, before anything is measured; if not, why, and what to do.
pub(crate) async fn check() -> Result<(), String> {
    namespaces::check(network::PREFIX)?;
    Network::new(&case::LINK).await;
    Ok(())
}

/// Measures `cases` on the rows that `plan` wants.
pub(crate) async fn measure(plan: &Plan, binaries: &Binaries, cases: &[Case], order: u32) -> Report {
    let mut rows = plan.present(&ROWS);
    let mut report = Report::new(plan, &tcp().await);
    let is_watched = std::io::stderr().is_terminal();
    let mut order = StdRng::seed_from_u64(order.into());
    for round in 0..plan.rounds {
        for case in cases {
            rows.shuffle(&mut order);
            for row in &rows {
                if is_watched {
                    eprint!("\rround {}/{}  {:<24} {:<12}", round + 1, plan.rounds, case.name, row);
                }
                report.add(row, case, case.measure(plan, row, round, binaries).await);
            }
        }
    }
    if is_watched {
        eprintln!("\r{:60}", "");
    }
    report.sort(&ROWS);
    report
}

/// What the kernel's TCP does over the link.
async fn tcp() -> Value {
    Network::new(&case::LINK).await.tcp()
}
