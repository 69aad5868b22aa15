//! What a run is told, and what it does accordingly.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::install::Peers;
use crate::{cases, link, load, rows, tunnels};

/// How much longer two downloads are measured over the link than one: CUBIC takes that long to come to its share.
const LONGER: f64 = 3.0;

/// Measures gantz, and what it is compared with, on this machine's loopback and over a bad link.
#[derive(Debug, Parser)]
#[command(name = "speed")]
pub(crate) struct Cli {
    /// How often each case is measured on each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds that requests are counted, each time
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// MiB that a download or an upload has, each time
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    mib: u64,
    /// Tunnels of which is looked at what they hold, each time
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    tunnels: u16,
    /// Seconds that are counted over the link, each time; half of that is spent beforehand
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    link_seconds: f64,
    /// One round of everything in about two minutes
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "mib", "tunnels", "link_seconds"])]
    short: bool,
    /// Without the link, for which this has to be root
    #[arg(long)]
    no_link: bool,
    /// Only rows whose names are or contain one of these, with `;` in between
    #[arg(long, value_delimiter = ';')]
    rows: Vec<String>,
    /// Only cases whose names are or contain one of these, with `;` in between
    #[arg(long, value_delimiter = ';')]
    cases: Vec<String>,
    /// Folder of a gantz and a gantz-relay that are built already, instead of building them now
    #[arg(long, value_name = "FOLDER")]
    gantz: Option<PathBuf>,
    /// The bore to compare with
    #[arg(long, default_value = "bore", value_name = "FILE")]
    bore: PathBuf,
    /// The rathole to compare with
    #[arg(long, default_value = "rathole", value_name = "FILE")]
    rathole: PathBuf,
    /// The nginx to compare with
    #[arg(long, default_value = "nginx", value_name = "FILE")]
    nginx: PathBuf,
    /// Leaves out what is not installed, instead of installing it
    #[arg(long)]
    no_install: bool,
    /// What cargo adds when it runs a benchmark; without it (`cargo test --benches`) the run is a short one
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// The other processes of a run are this same program.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// The local server
    #[command(hide = true)]
    Origin { address: IpAddr },
    /// The load
    #[command(hide = true)]
    Load(Box<load::LoadArgs>),
    /// Waits until somebody listens
    #[command(hide = true)]
    Reach { address: SocketAddr },
    /// The link
    #[command(hide = true)]
    Link(link::simulator::SimulatorArgs),
    /// Who calls over the link
    #[command(hide = true)]
    Callers(Box<link::callers::CallerArgs>),
}

/// What a run does.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) time: Duration,
    pub(crate) bulk: u64,
    pub(crate) tunnels: usize,
    pub(crate) link_time: Duration,
    /// How long two downloads that share the link are counted.
    pub(crate) shared_time: Duration,
    pub(crate) rows: Vec<String>,
    pub(crate) gantz: Option<PathBuf>,
    pub(crate) peers: Peers,
}

/// What it measures.
pub(crate) struct Cases {
    pub(crate) loopback: Vec<cases::Case>,
    pub(crate) tunnels: bool,
    pub(crate) link: Vec<link::Case>,
}

/// What `cli` wants measured.
pub(crate) fn chosen(cli: &Cli) -> Cases {
    let names: Vec<&str> = cases::names().chain([tunnels::NAME]).chain(link::names()).collect();
    let loopback = cases::chosen(&names, &cli.cases);
    let tunnels = is_wanted(tunnels::NAME, &names, &cli.cases);
    let link = if cli.no_link { Vec::new() } else { link::chosen(&names, &cli.cases) };
    assert!(!loopback.is_empty() || tunnels || !link.is_empty(), "--cases leaves none of {}", names.join("; "));
    Cases { loopback, tunnels, link }
}

/// How; what is missing for it is installed now.
pub(crate) fn plan(cli: &Cli) -> Plan {
    let is_short = cli.short || !cli.bench;
    let peers = [("nginx", &*cli.nginx), ("bore", &*cli.bore), ("rathole", &*cli.rathole)];
    let peers = peers.into_iter().filter(|(name, _)| is_wanted(name, &rows::NAMES, &cli.rows)).collect::<Vec<_>>();
    Plan {
        rounds: if is_short { 1 } else { cli.rounds },
        time: Duration::from_secs_f64(if is_short { 0.5 } else { cli.seconds }),
        bulk: (if is_short { 128 } else { cli.mib }) << 20,
        tunnels: if is_short { 32 } else { cli.tunnels.into() },
        link_time: Duration::from_secs_f64(if is_short { 0.5 } else { cli.link_seconds }),
        shared_time: Duration::from_secs_f64(if is_short { 1.0 } else { cli.link_seconds * LONGER }),
        rows: cli.rows.clone(),
        gantz: cli.gantz.clone(),
        peers: Peers::find(&peers, cli.bench && !cli.no_install),
    }
}

impl Plan {
    /// Of these rows, those that are wanted and can be.
    pub(crate) fn present(&self, rows: &[&'static str]) -> Vec<&'static str> {
        let wanted = rows.iter().filter(|row| is_wanted(row, &rows::NAMES, &self.rows));
        self.peers.present(wanted.copied().collect())
    }
}

/// Whether `name`, of all these `names`, is wanted: each wish is a whole name, or a part of some.
pub(crate) fn is_wanted(name: &str, names: &[&str], wishes: &[String]) -> bool {
    let meets =
        |wish: &String| if names.contains(&wish.as_str()) { name == wish } else { name.contains(wish.as_str()) };
    wishes.is_empty() || wishes.iter().any(meets)
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        _ => Err("more than 0, and at most 3600".to_owned()),
    }
}
