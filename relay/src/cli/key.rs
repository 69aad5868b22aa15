//! `gantz-relay key`: agents' access keys. It writes the file that a relay which runs reads again at once.

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use gantz_cli::Table;
use gantz_shared::control::Secret;
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::rate::Rate;
use serde_json::{Value, json};

use super::state_folder::{StateFolder, failed};
use crate::access::{Expiry, Key, NameGlobs, Terms, described, made, now, timestamp};

/// See the module's head.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
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
    /// A new key; it is printed once
    Add {
        /// Whose it is; no secret
        #[arg(long, env = "GANTZ_RELAY_KEY_LABEL", value_name = "LABEL")]
        label: String,
        /// Tunnels that it may have open at once [default: the relay's limits]
        #[arg(long, env = "GANTZ_RELAY_KEY_TUNNELS", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        tunnels: Option<u32>,
        /// The names that it may ask for, such as 'alice-*' or 'alice-*,tools' [default: all]
        #[arg(long, env = "GANTZ_RELAY_KEY_NAMES", value_name = "GLOBS")]
        names: Option<NameGlobs>,
        /// How often each of its tunnels may be called, such as 100/s or 100/min:20 (20 of them at once) [default: the
        /// relay's --tunnel-rate]
        #[arg(long, env = "GANTZ_RELAY_KEY_RATE", value_name = "RATE")]
        rate: Option<Rate>,
        /// When it dies: after a time such as 90d, at a moment such as 2030-01-31T00:00:00Z, or never
        #[arg(long, env = "GANTZ_RELAY_KEY_EXPIRES", value_name = "TIME", default_value = "never")]
        expires: Expiry,
    },
    /// All keys, those that are revoked too, but no secret
    List,
    /// End a key at once; its tunnels are closed. Names that it has reserved stay so
    Revoke {
        /// Id or label; a label ends all keys that have it
        #[arg(value_name = "ID|LABEL")]
        which: String,
    },
}

pub(super) fn run(args: KeyArgs) -> Result<Exit, Failure> {
    let mut database = args.state.access()?;
    let is_json = args.json == Some(true);
    let screen = match args.action {
        Action::Add { label, tunnels, names, rate, expires } => {
            let terms = Terms { label, tunnels, names, rate, expires_at: expires.0 };
            let (key, secret) = database.add(&terms, now()).map_err(|error| failed(&error))?;
            if is_json { line(&made(&key, &secret)) } else { made_screen(&key, &secret) }
        }
        Action::List => {
            let keys = database.keys().map_err(|error| failed(&error))?;
            if is_json { line(&keys.iter().map(described).collect()) } else { list(&keys) }
        }
        Action::Revoke { which } => {
            let keys = database.revoke(&which, now()).map_err(|error| failed(&error))?;
            let ids: Vec<&str> = keys.iter().map(Key::id).collect();
            let names = database.names().map_err(|error| failed(&error))?;
            let left: Vec<&str> =
                names.iter().filter(|name| ids.contains(&&*name.key)).map(|name| &*name.name).collect();
            if is_json { line(&json!({ "revoked": ids, "names": left })) } else { revoked_screen(&ids, &left) }
        }
    };
    gantz_cli::print(screen.as_bytes())
}

fn made_screen(key: &Key, secret: &Secret) -> String {
    let terms = key.terms();
    let mut screen = format!("  Access Key:  {}\n  id:          {} ({})\n", secret.reveal(), key.id(), terms.label);
    let said = [
        ("tunnels", terms.tunnels.map(|tunnels| tunnels.to_string())),
        ("names", terms.names.as_ref().map(ToString::to_string)),
        ("rate", terms.rate.map(|rate| rate.to_string())),
        ("expires", terms.expires_at.map(timestamp)),
    ];
    for (what, value) in said {
        if let Some(value) = value {
            screen += &format!("  {:<13}{value}\n", format!("{what}:"));
        }
    }
    screen + "\n  its holder:  gantz login RELAY, and the key when it is asked for\n"
}

fn revoked_screen(ids: &[&str], left: &[&str]) -> String {
    let mut screen = format!("  revoked {}\n", ids.join(", "));
    if !left.is_empty() {
        screen += &format!("  still reserved: {} (gantz-relay names release NAME)\n", left.join(", "));
    }
    screen
}

fn list(keys: &[Key]) -> String {
    let mut table = Table::new(["ID", "LABEL", "STATE", "TUNNELS", "NAMES", "RATE", "CREATED", "EXPIRES"]);
    let now = now();
    for key in keys {
        let terms = key.terms();
        let state = match key.revoked_at() {
            Some(_) => "revoked",
            None if key.is_expired(now) => "expired",
            None => "live",
        };
        table.row([
            key.id().to_owned(),
            terms.label.clone(),
            state.to_owned(),
            or_dash(terms.tunnels),
            or_dash(terms.names.as_ref()),
            or_dash(terms.rate),
            timestamp(key.created_at()),
            terms.expires_at.map_or_else(|| "never".into(), timestamp),
        ]);
    }
    table.to_string()
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "–".into(), |value| value.to_string())
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
