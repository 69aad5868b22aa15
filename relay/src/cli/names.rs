//! `gantz-relay names`: whose names are reserved.

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use gantz_cli::Table;
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::name::Name;
use serde_json::{Value, json};

use super::state_folder::{StateFolder, failed};
use crate::access::{reserved, timestamp};

/// See the module's head.
#[derive(Debug, Args)]
pub(super) struct NamesArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    state: StateFolder,
    /// Print JSON on stdout
    #[arg(long, env = "GANTZ_RELAY_JSON", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true", global = true)]
    json: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All reserved names, each with the key that it is reserved for
    List,
    /// Free a name: it is the next key's that asks for it. A tunnel that has it open keeps it until it is closed
    Release {
        /// The name
        #[arg(value_name = "NAME", value_parser = name)]
        name: Name,
    },
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|why| format!("{why}; a name that `gantz-relay names list` shows"))
}

pub(super) fn run(args: NamesArgs) -> Result<Exit, Failure> {
    let mut database = args.state.access()?;
    let is_json = args.json == Some(true);
    let screen = match args.action {
        Action::List => {
            let names = database.names().map_err(|error| failed(&error))?;
            if is_json {
                format!("{}\n", names.iter().map(reserved).collect::<Value>())
            } else {
                let mut table = Table::new(["NAME", "KEY", "LABEL", "SINCE"]);
                for name in names {
                    table.row([name.name, name.key, name.label, timestamp(name.claimed_at)]);
                }
                table.to_string()
            }
        }
        Action::Release { name } => {
            if !database.release(&name).map_err(|error| failed(&error))? {
                return Err(Failure::new(Exit::Failed, "nothing was changed")
                    .why(format!("the name `{name}` is not reserved"))
                    .hint("a name that `gantz-relay names list` shows"));
            }
            if is_json { format!("{}\n", json!({ "released": name })) } else { format!("  released {name}\n") }
        }
    };
    gantz_cli::print(screen.as_bytes())
}
