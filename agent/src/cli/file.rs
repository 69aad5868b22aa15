//! `./gantz.yaml` and the user's config file: what neither flags nor environment give. Keys are the flags' names with
//! `_` for `-`.

use std::io;
use std::path::{Path, PathBuf};

use gantz_cli::LogFormat;
use gantz_shared::control::Secret;
use gantz_shared::failure::{Exit, Failure};
use serde::Deserialize;
use serde_saphyr::Error;

use super::args::{Auth, RunArgs, TransportArg, address, duration, header, host, origin};
use super::call_log;
use super::said::{Layer, Said};
use super::snippet::Snippet;

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
    profile: Option<String>,
    transport: Option<TransportArg>,
    key: Option<Secret>,
    name: Option<String>,
    relay_ca: Option<PathBuf>,
    allow_origin: Option<Vec<String>>,
    host_header: Option<String>,
    upstream_header: Option<Vec<String>>,
    upstream_timeout: Option<String>,
    local_listen: Option<String>,
    demo: Option<bool>,
    json: Option<bool>,
    log_requests: Option<bool>,
    call_log: Option<PathBuf>,
    log_arguments: Option<bool>,
    print_config: Option<Snippet>,
    log_format: Option<LogFormat>,
    verbose: Option<u8>,
}

/// Adds to `args` what the files say: the project's before the user's.
pub(super) fn merge(args: &mut RunArgs, said: &mut Said) -> Result<(), Failure> {
    let project = PathBuf::from(PROJECT);
    let files =
        [Some((project.clone(), Layer::Project(project))), user_file().map(|path| (path.clone(), Layer::User(path)))];
    for (path, layer) in files.into_iter().flatten() {
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
        Fill { path: &path, layer, said }.all(args, file.unwrap_or_default())?;
    }
    Ok(())
}

fn user_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("gantz").join("config.yaml"))
}

/// Fills what nobody before has said.
struct Fill<'a> {
    path: &'a Path,
    layer: Layer,
    said: &'a mut Said,
}

impl Fill<'_> {
    fn all(mut self, args: &mut RunArgs, file: File) -> Result<(), Failure> {
        // A path is meant from where it is written.
        let folder = self.path.parent().map(Path::to_owned).unwrap_or_default();
        self.one("target", &mut args.target, file.target, |text| text.parse().map(Some))?;
        self.one("auth", &mut args.auth, file.auth, as_it_is)?;
        self.one("token", &mut args.token, file.token, as_it_is)?;
        self.one("token_ttl", &mut args.token_ttl, file.token_ttl, |text| text.parse().map(Some))?;
        self.one("relay", &mut args.relay, file.relay, |text| text.parse().map(Some))?;
        self.one("profile", &mut args.profile, file.profile, |text| super::profile::name(&text).map(Some))?;
        self.one("transport", &mut args.transport, file.transport, as_it_is)?;
        self.one("key", &mut args.key, file.key, as_it_is)?;
        self.one("name", &mut args.name, file.name, as_it_is)?;
        self.one("relay_ca", &mut args.relay_ca, file.relay_ca, |path| Ok(Some(folder.join(path))))?;
        self.one("allow_origin", &mut args.allow_origin, file.allow_origin, |origins| {
            origins.iter().map(|text| origin(text)).collect()
        })?;
        self.one("host_header", &mut args.host_header, file.host_header, |text| host(&text).map(Some))?;
        self.one("upstream_header", &mut args.upstream_header, file.upstream_header, |fields| {
            fields.iter().map(|text| header(text)).collect()
        })?;
        self.one("upstream_timeout", &mut args.upstream_timeout, file.upstream_timeout, |text| {
            duration(&text).map(Some)
        })?;
        self.one("local_listen", &mut args.local_listen, file.local_listen, |text| address(&text).map(Some))?;
        self.one("demo", &mut args.demo, file.demo, as_it_is)?;
        self.one("json", &mut args.json, file.json, as_it_is)?;
        self.one("log_requests", &mut args.log_requests, file.log_requests, as_it_is)?;
        self.one("call_log", &mut args.call_log, file.call_log, |path| {
            Ok(Some(if call_log::is_none(&path) { path } else { folder.join(path) }))
        })?;
        self.one("log_arguments", &mut args.log_arguments, file.log_arguments, as_it_is)?;
        self.one("print_config", &mut args.print_config, file.print_config, as_it_is)?;
        self.one("log_format", &mut args.log_format, file.log_format, Ok)?;
        self.one("verbose", &mut args.verbose, file.verbose, gantz_cli::level)
    }

    /// One setting, unless somebody before has said it.
    fn one<T, V>(
        &mut self,
        key: &str,
        setting: &mut T,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, String>,
    ) -> Result<(), Failure> {
        let Some(value) = value.filter(|_| self.said.layer(key).is_none()) else { return Ok(()) };
        *setting = parse(value).map_err(|words| {
            Failure::new(Exit::Usage, format!("{}: the value of `{key}` cannot be used", self.path.display()))
                .words(&words)
        })?;
        self.said.note(key, self.layer.clone());
        Ok(())
    }
}

fn as_it_is<T>(value: T) -> Result<Option<T>, String> {
    Ok(Some(value))
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
        // The words of these repeat the value …
        Error::Message { .. }
        | Error::ExternalMessage { .. }
        | Error::SerdeInvalidType { .. }
        | Error::SerdeInvalidValue { .. }
        | Error::SerdeVariantId { .. }
        | Error::NonFiniteFloat { .. }
        | Error::TaggedEnumMismatch { .. }
        // … and those of these speak of Rust's types.
        | Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. }
        | Error::ExpectedStringKeyForExternallyTaggedEnum { .. }
        | Error::ExpectedMappingEndAfterEnumVariantValue { .. }
        | Error::UnexpectedValueForUnitEnumVariant { .. }
        | Error::UnexpectedValueForUnit { .. }
        | Error::NullIntoString { .. } => {
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
