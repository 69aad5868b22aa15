//! `gantz status`: the running tunnels of this user on this machine.

use clap::Args;
use clap::builder::BoolishValueParser;
use gantz_cli::Table;
use gantz_shared::failure::{Exit, Failure};
use serde_json::Value;

use super::printer::{print, say};
use super::running;

/// See the module's head.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print JSON on stdout
    #[arg(long, env = "GANTZ_JSON", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    json: Option<bool>,
}

pub(super) fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let running = running::all()?;
    if args.json == Some(true) {
        let tunnels =
            running.iter().map(|running| serde_json::to_value(&running.tunnel)).collect::<Result<Vec<_>, _>>();
        let tunnels = tunnels.map_err(|error| Failure::new(Exit::Failed, "the tunnels cannot be told").why(error))?;
        print(&format!("{}\n", Value::from(tunnels)));
    } else if running.is_empty() {
        say("  no tunnel is running; gantz run --auth 8090 opens one\n");
    } else {
        let mut table = Table::new(["NAME", "URL", "SERVER", "RELAY", "TOKENS", "CALLS", "PID", "TRANSPORT"]);
        for running in running {
            let tunnel = running.tunnel;
            table.row([
                tunnel.name,
                tunnel.url,
                tunnel.target,
                tunnel.relay,
                tunnel.tokens.map_or_else(|| "open".into(), |tokens| tokens.to_string()),
                tunnel.calls.to_string(),
                tunnel.pid.to_string(),
                tunnel.transport,
            ]);
        }
        print(&table.to_string());
    }
    Ok(Exit::Fine)
}
