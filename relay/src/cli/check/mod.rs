//! `gantz-relay config check`: everything that `serve` would look at before it serves, all that is wrong with it, and the
//! settings that are heard. Nothing is changed on the disk, and nobody is answered.

mod folders;
mod ports;
mod report;

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use gantz_cli::Said;
use gantz_shared::failure::{Exit, Failure};

use super::args::ServeArgs;
use super::{contradictions, serve, settings};
use crate::config::{Config, TlsConfig};
use crate::{StartError, tls};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say what is wrong with flags, environment, file, certificates, folders and ports, and what is heard of whom
    Check(Box<CheckArgs>),
}

/// The flags of `gantz-relay config check`: those of `serve`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Print JSON on stdout
    #[arg(long, env = "GANTZ_RELAY_JSON", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    json: Option<bool>,
    #[command(flatten)]
    serve: ServeArgs,
}

pub(super) fn run(args: CheckArgs, mut said: Said) -> Result<Exit, Failure> {
    let CheckArgs { json, serve: mut args } = args;
    let mut wrong = std::mem::take(&mut said.wrong);
    wrong.extend(contradictions::settle(&mut args, &mut said));
    wrong.extend(serve::logs(&args).check().err());
    let about_certificates = is_certain_about_certificates(&said);
    let config = match settings::config(&args) {
        Ok(config) => Some(config),
        Err(failures) => {
            // What could not be read may have said it.
            wrong.extend(failures.into_iter().filter(|_| about_certificates));
            None
        }
    };
    let state_dir = settings::state_dir(&args).ok().filter(|_| said.is_certain(&["state_dir"]));
    if let Some(dir) = &state_dir {
        wrong.extend(folders::state(dir, &args));
        if said.is_certain(&["audit_log"]) {
            wrong.extend(folders::audit_log(dir, &args));
        }
    }
    // A folder that is none has been said to be, and is no fault of the certificate that would be in it.
    let is_there = config.as_ref().is_some_and(|config| matches!(config.tls, TlsConfig::Files { .. }))
        || state_dir.as_deref().is_some_and(|dir| folders::could_write_into(dir).is_ok());
    if let Some(config) = config.as_ref().filter(|_| is_there && about_certificates) {
        wrong.extend(certificates(config, &args));
    }
    let is_running = state_dir.as_deref().is_some_and(ports::is_taken_by_the_relay_itself);
    if !is_running {
        wrong.extend(ports::taken(&args, config.as_ref(), &said));
    }
    let report =
        report::Report { args: &args, said: &said, state_dir: state_dir.as_deref(), is_running, wrong: &wrong };
    gantz_cli::print(if json == Some(true) { report.json() } else { report.table() }.as_bytes())?;
    if json != Some(true) {
        wrong.iter().for_each(gantz_cli::complain);
    }
    Ok(if wrong.is_empty() { Exit::Fine } else { Exit::Usage })
}

/// Whether all that says where certificates come from was heard as it was meant.
fn is_certain_about_certificates(said: &Said) -> bool {
    let of_them = |key: &&str| matches!(*key, "domain" | "tls" | "tls_cert" | "tls_key") || key.starts_with("acme_");
    let keys: Vec<&str> = said.settings().iter().map(|setting| setting.key.as_str()).filter(of_them).collect();
    said.is_certain(&keys)
}

fn certificates(config: &Config, args: &ServeArgs) -> Option<Failure> {
    let error = StartError::Tls(tls::check(config).err()?);
    Some(serve::start_failure(&error, args))
}
