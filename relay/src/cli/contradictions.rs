//! A certificate in files, and a source of certificates that is none. The rule is the agent's: a flag is heard before the
//! environment, and two of the same layer are an error that names both.

use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use gantz_shared::failure::{Exit, Failure};

use super::args::{ServeArgs, TlsArg};

/// Where a setting comes from; the least is heard first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Flag,
    Environment,
}

/// Leaves the one that is heard.
pub(super) fn settle(args: &mut ServeArgs, matches: &ArgMatches) -> Result<(), Failure> {
    let Some((_, matches)) = matches.subcommand() else { return Ok(()) };
    // A default contradicts nothing.
    let Some(source) = layer(matches, "tls").filter(|_| args.tls != TlsArg::Files) else { return Ok(()) };
    let files = ["tls_cert", "tls_key"].into_iter().filter_map(|key| Some((layer(matches, key)?, key)));
    let Some((first, key)) = files.min() else { return Ok(()) };
    if first == source {
        let value = args.tls.to_possible_value();
        let value = value.as_ref().map_or("", |value| value.get_name());
        let (flag, one) = (spelled(Layer::Flag, "tls", value), spelled(source, "tls", value));
        let other = spelled(first, key, "");
        return Err(Failure::new(Exit::Usage, format!("{one} and {other} contradict each other"))
            .why("only --tls files has a use for files")
            .hint(format!("--tls files, or {flag} without files; a flag would beat the environment")));
    }
    if first < source {
        args.tls = TlsArg::Files;
    }
    Ok(())
}

fn layer(matches: &ArgMatches, key: &str) -> Option<Layer> {
    match matches.value_source(key)? {
        ValueSource::CommandLine => Some(Layer::Flag),
        ValueSource::EnvVariable => Some(Layer::Environment),
        _ => None,
    }
}

/// A setting as the one who said it wrote it; `value` is empty where it is the setting as such that is meant.
fn spelled(layer: Layer, key: &str, value: &str) -> String {
    match layer {
        Layer::Flag => format!("--{} {value}", key.replace('_', "-")).trim_end().to_owned(),
        Layer::Environment => {
            let equals = if value.is_empty() { "" } else { "=" };
            format!("GANTZ_RELAY_{}{equals}{value}", key.to_uppercase())
        }
    }
}
