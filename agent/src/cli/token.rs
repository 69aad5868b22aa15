//! `gantz token`: the tokens of a running tunnel, without restarting it and without changing its URL.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use gantz_cli::Table;
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::rate::Rate;
use gantz_shared::span::rounded;
use serde_json::{Value, json};

use super::lifetime::Lifetime;
use super::printer::{print, say, timestamp};
use super::running::{self, ask, unexpected};
use crate::control::{Answer, Command, Made};
use crate::permissions::{Permissions, ToolGlobs};
use crate::tokens::{Listed, Spec};

/// See the module's head.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    action: Action,
    /// The tunnel, where more than one is running
    #[arg(long, env = "GANTZ_NAME", value_name = "NAME", global = true)]
    name: Option<String>,
    /// Print JSON on stdout
    #[arg(long, env = "GANTZ_JSON", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true", global = true)]
    json: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One more token, for another caller; it is printed once
    Add {
        /// What you call it; no secret
        #[arg(long, env = "GANTZ_TOKEN_LABEL", value_name = "LABEL")]
        label: Option<String>,
        /// How long it lives, such as 15m or 24h; 0: for ever
        #[arg(long, env = "GANTZ_TOKEN_TTL", value_name = "TIME", default_value = "24h", allow_hyphen_values = true)]
        ttl: Lifetime,
        /// How often it may be used, such as 10/s or 100/min:20 (20 of them at once) [default: the relay's limit]
        #[arg(long, env = "GANTZ_TOKEN_RATE", value_name = "RATE", allow_hyphen_values = true)]
        rate: Option<Rate>,
        /// The tools it may call and see, such as 'read_*,list_*' [default: all]
        #[arg(long, env = "GANTZ_TOKEN_TOOLS", value_name = "GLOBS")]
        tools: Option<ToolGlobs>,
        /// Only tools that say of themselves that they only read (readOnlyHint)
        #[arg(long, env = "GANTZ_TOKEN_READ_ONLY", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true", default_value = "false")]
        read_only: bool,
    },
    /// All tokens: labels, ids, lives and calls, but no secret
    List,
    /// A new token in the place of one; both work for the grace period
    Rotate {
        /// Id or label [default: the tunnel's first token]
        #[arg(value_name = "ID|LABEL")]
        which: Option<String>,
        /// How long the old one goes on working; 0: not at all
        #[arg(long, env = "GANTZ_TOKEN_GRACE", value_name = "TIME", default_value = "10m", value_parser = super::lifetime::grace, allow_hyphen_values = true)]
        grace: Duration,
    },
    /// End a token at once, with everything that it has opened
    Revoke {
        /// Id or label; a label ends all tokens that have it
        #[arg(value_name = "ID|LABEL")]
        which: String,
    },
}

pub(super) fn run(args: TokenArgs) -> Result<Exit, Failure> {
    let tunnel = running::one(args.name.as_deref())?;
    let json = args.json == Some(true);
    let command = match args.action {
        Action::Add { label, ttl, rate, tools, read_only } => {
            if ttl == Lifetime::Endless {
                say("  warning: --ttl 0: this token lets its holders in for ever, or until you revoke it\n");
            }
            Command::Add(Spec { label, ttl: ttl.limit(), rate, permissions: Permissions { tools, read_only } })
        }
        Action::List => Command::List,
        Action::Rotate { which, grace } => Command::Rotate { which, grace },
        Action::Revoke { which } => Command::Revoke { which },
    };
    match (ask(&tunnel, &command)?, &command) {
        (Answer::Made(made), _) => made_screen(&made, &command, json),
        (Answer::Tokens(tokens), Command::List) => list(&tokens, json),
        (Answer::Revoked { ids, left, applied }, Command::Revoke { .. }) => {
            if json {
                print(&format!("{}\n", json!({ "revoked": ids, "left": left, "applied": applied })));
            } else {
                say(&format!("  revoked {}\n", ids.join(", ")));
                if left == 0 {
                    say("  warning: no token is left, so nobody can call; gantz token add makes one\n");
                }
            }
            tell_unapplied(applied);
        }
        _ => return Err(unexpected(&tunnel)),
    }
    Ok(Exit::Fine)
}

fn made_screen(made: &Made, command: &Command, json: bool) {
    let listed = &made.listed;
    if json {
        let mut object = described(listed);
        object["token"] = made.token.reveal().into();
        object["replaces"] = made.replaces.clone().into();
        object["applied"] = made.applied.into();
        print(&format!("{object}\n"));
        tell_unmatched(made);
        return tell_unapplied(made.applied);
    }
    print(&format!("  Auth Token:  {}\n", made.token.reveal()));
    let label = listed.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
    say(&format!("  id:          {}{label}\n", listed.id));
    say(&format!("  expires:     {}\n", expires(listed)));
    if !listed.permissions.is_everything() {
        say(&format!("  may call:    {}\n", listed.permissions));
    }
    tell_unmatched(made);
    if let (Some(old), Command::Rotate { grace, .. }) = (&made.replaces, command) {
        if grace.is_zero() {
            say(&format!("  {old} no longer works\n"));
        } else {
            say(&format!("  {old} works for another {}\n", rounded(*grace)));
        }
    }
    tell_unapplied(made.applied);
}

fn tell_unmatched(made: &Made) {
    if !made.unmatched.is_empty() {
        say(&format!(
            "  warning: {} matches no tool; there are {}\n",
            made.unmatched.join(", "),
            made.tools.join(", ")
        ));
    }
}

fn tell_unapplied(applied: bool) {
    if !applied {
        say("  the tunnel is away: the change counts as soon as it is back\n");
    }
}

fn list(tokens: &[Listed], json: bool) {
    if json {
        return print(&format!("{}\n", Value::from_iter(tokens.iter().map(described))));
    }
    let mut table = Table::new(["ID", "LABEL", "CREATED", "EXPIRES", "LAST USED", "CALLS", "RATE", "TOOLS"]);
    for token in tokens {
        table.row([
            token.id.clone(),
            token.label.clone().unwrap_or_else(|| "–".into()),
            plain(&timestamp(token.created)),
            token.expires.map_or_else(|| "never".into(), |at| plain(&timestamp(at))),
            token.last_used.map_or_else(|| "never".into(), |at| plain(&timestamp(at))),
            token.calls.to_string(),
            token.rate.map_or_else(|| "–".into(), |rate| rate.to_string()),
            token.permissions.to_string(),
        ]);
    }
    print(&table.to_string());
}

fn expires(listed: &Listed) -> String {
    listed.expires.map_or_else(|| "never".into(), |at| plain(&timestamp(at)))
}

fn described(token: &Listed) -> Value {
    json!({
        "id": token.id,
        "label": token.label,
        "created_at": timestamp(token.created),
        "expires_at": token.expires.map(timestamp),
        "last_used_at": token.last_used.map(timestamp),
        "calls": token.calls,
        "rate": token.rate,
        "tools": token.permissions.tools,
        "read_only": token.permissions.read_only,
    })
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap_or("–").to_owned()
}
