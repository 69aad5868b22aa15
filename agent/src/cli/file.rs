//! `./gantz.yaml` and the user's config file: what neither flags nor environment give. Keys are the flags' names with
//! `_` for `-`.

use std::io;
use std::path::{Path, PathBuf};

use gantz_shared::control::Secret;
use gantz_shared::failure::{Exit, Failure};
use serde::Deserialize;
use serde_saphyr::Error;

use super::args::{Auth, RunArgs, duration, header};

/// The file of a project, in the folder where `gantz` runs.
const PROJECT: &str = "gantz.yaml";

/// How alike a known key has to be to be suggested (Jaro-Winkler).
const ALIKE: f64 = 0.75;

/// What a file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    target: Option<String>,
    auth: Option<Auth>,
    token: Option<Secret>,
    token_ttl: Option<String>,
    relay: Option<String>,
    key: Option<Secret>,
    name: Option<String>,
    relay_ca: Option<PathBuf>,
    allow_origin: Option<Vec<String>>,
    host_header: Option<String>,
    upstream_header: Option<Vec<String>>,
    upstream_timeout: Option<String>,
    log_requests: Option<bool>,
}

/// Adds to `args` what the files say: the project's before the user's.
pub(super) fn merge(args: &mut RunArgs) -> Result<(), Failure> {
    for path in [Some(PathBuf::from(PROJECT)), user_file()].into_iter().flatten() {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Failure::new(Exit::Usage, format!("cannot read {}", path.display()))
                    .why(error)
                    .hint("make it readable, or move it away"));
            }
        };
        // An empty file says nothing.
        let file: Option<File> = serde_saphyr::from_str(&text).map_err(|error| malformed(&path, &error))?;
        fill(args, file.unwrap_or_default(), &path)?;
    }
    Ok(())
}

fn user_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("gantz").join("config.yaml"))
}

fn fill(args: &mut RunArgs, file: File, path: &Path) -> Result<(), Failure> {
    let bad = |key: &str, words: String| {
        Failure::new(Exit::Usage, format!("{}: the value of `{key}` cannot be used", path.display())).words(&words)
    };
    if args.target.is_none() && !args.demo {
        args.target = file.target.map(|text| text.parse()).transpose().map_err(|why| bad("target", why))?;
    }
    if args.relay.is_none() && args.local_listen.is_none() {
        args.relay = file.relay.map(|text| text.parse()).transpose().map_err(|why| bad("relay", why))?;
    }
    args.auth = args.auth.or(file.auth);
    args.token = args.token.take().or(file.token);
    args.key = args.key.take().or(file.key);
    args.name = args.name.take().or(file.name);
    args.relay_ca = args.relay_ca.take().or(file.relay_ca);
    if args.token_ttl.is_none() {
        args.token_ttl = file.token_ttl.as_deref().map(duration).transpose().map_err(|why| bad("token_ttl", why))?;
    }
    if args.upstream_timeout.is_none() {
        args.upstream_timeout =
            file.upstream_timeout.as_deref().map(duration).transpose().map_err(|why| bad("upstream_timeout", why))?;
    }
    if args.allow_origin.is_empty() {
        args.allow_origin = file.allow_origin.unwrap_or_default();
    }
    if args.host_header.is_none() {
        let host = file.host_header.map(http::HeaderValue::try_from).transpose();
        args.host_header = host.map_err(|error| bad("host_header", error.to_string()))?;
    }
    if args.upstream_header.is_empty() {
        let fields = file.upstream_header.unwrap_or_default();
        args.upstream_header = fields
            .iter()
            .map(|text| header(text))
            .collect::<Result<_, _>>()
            .map_err(|why| bad("upstream_header", why))?;
    }
    args.log_requests = args.log_requests.or(file.log_requests);
    Ok(())
}

/// Names file, line and, for an unknown key, the nearest one that there is. Values are not repeated: they may be secrets.
fn malformed(path: &Path, error: &Error) -> Failure {
    let place = match error.location() {
        Some(location) => format!("{}, line {}", path.display(), location.line()),
        None => path.display().to_string(),
    };
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            let nearest = expected
                .iter()
                .map(|known| (strsim::jaro_winkler(field, known), *known))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(alike, _)| *alike >= ALIKE);
            let failure = Failure::new(Exit::Usage, format!("{place}: unknown key `{field}`"));
            match nearest {
                Some((_, known)) => failure.hint(format!("`{known}`")),
                None => failure.hint(format!("one of {}", expected.join(", "))),
            }
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            Failure::new(Exit::Usage, format!("{place}: `{key}` is there twice")).hint("leave one of them out")
        }
        Error::SerdeUnknownVariant { expected, .. } => {
            Failure::new(Exit::Usage, format!("{place}: not one of the values that this key takes"))
                .hint(format!("one of {}", expected.join(", ")))
        }
        // The words of these repeat the value.
        Error::Message { .. }
        | Error::ExternalMessage { .. }
        | Error::SerdeInvalidType { .. }
        | Error::SerdeInvalidValue { .. }
        | Error::SerdeVariantId { .. }
        | Error::NonFiniteFloat { .. }
        | Error::TaggedEnumMismatch { .. } => {
            not_yaml(&place, "it is not YAML, or not of the kind that this key takes")
        }
        other => not_yaml(&place, reason(&other.to_string())),
    }
}

fn not_yaml(place: &str, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{place}: not a gantz configuration"))
        .why(why)
        .hint("one `key: value` a line, with the names of the flags of gantz run as keys (`_` for `-`)")
}

/// The parser's words without the place, which is said already: `expected string scalar at line 3, column 6`.
fn reason(text: &str) -> &str {
    text.split(" at line ").next().unwrap_or(text)
}
