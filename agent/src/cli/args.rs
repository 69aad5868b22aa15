//! The flags of `gantz run`. Each has an environment variable; what neither gives may come from a file ([`super::file`]).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use gantz_cli::{LogFormat, Spans, verbosity};
use gantz_shared::control::Secret;
use http::{HeaderName, HeaderValue};

use super::lifetime::Lifetime;
use super::snippet::Snippet;
use crate::config::{RelayAddress, Transports};
use crate::fingerprint::Fingerprint;
use crate::upstream::Target;

/// See the module's head. What can be switched on is an option, so that the environment can say no where a file says
/// yes. What contradicts what is said in [`super::contradictions`], as files have a part in it.
#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    /// The local server: a port, host:port, or a URL
    #[arg(env = "GANTZ_TARGET")]
    pub(super) target: Option<Target>,
    /// Who may call: holders of a token, which is printed (--auth), or everybody (--auth=none)
    #[arg(long, env = "GANTZ_AUTH", value_parser = auth, num_args = 0..=1, require_equals = true, default_missing_value = "token", value_name = "token|none")]
    pub(super) auth: Option<Auth>,
    /// A token of your own instead of one of gantz's, at least 22 characters (128 bits)
    #[arg(long, env = "GANTZ_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    pub(super) token: Option<Secret>,
    /// How long a fresh token lives, such as 90s, 15m or 24h; 0: for ever [default: 24h]
    #[arg(long, env = "GANTZ_TOKEN_TTL", value_name = "TIME", allow_hyphen_values = true)]
    pub(super) token_ttl: Option<Lifetime>,
    /// A fresh URL and a fresh token, in place of those of the last run of this project
    #[arg(long, env = "GANTZ_NEW", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub(super) new: Option<bool>,
    /// The relay [default: that of --profile; without one, a relay inside this process, for this machine only]
    #[arg(long, env = "GANTZ_RELAY", value_name = "HOST[:PORT]")]
    pub(super) relay: Option<RelayAddress>,
    /// The relay that gantz login has stored under this name [default: the last one, where none is said]
    #[arg(long, env = "GANTZ_PROFILE", value_name = "NAME", value_parser = super::profile::name)]
    pub(super) profile: Option<String>,
    /// What carries the tunnel: QUIC, TLS over TCP, or what gets through [default: auto]
    #[arg(long, env = "GANTZ_TRANSPORT", value_enum, value_name = "TRANSPORT")]
    pub(super) transport: Option<TransportArg>,
    /// The relay's access key
    #[arg(long, env = "GANTZ_KEY", hide_env_values = true, value_name = "KEY", value_parser = secret)]
    pub(super) key: Option<Secret>,
    /// The name to ask for [default: a random one, and then the same again]
    #[arg(long, env = "GANTZ_NAME", value_name = "NAME")]
    pub(super) name: Option<String>,
    /// The relay's own certificate authority, PEM [default: those of the system]
    #[arg(long, env = "GANTZ_RELAY_CA", value_name = "FILE")]
    pub(super) relay_ca: Option<PathBuf>,
    /// Browser origins that may call, besides pages of this machine; `*`: every page
    #[arg(long, env = "GANTZ_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub(super) allow_origin: Vec<String>,
    /// What the local server gets as Host [default: its own host and port]
    #[arg(long, env = "GANTZ_HOST_HEADER", value_name = "HOST", value_parser = host)]
    pub(super) host_header: Option<HeaderValue>,
    /// A field that every request to the local server gets, such as a credential of its own
    #[arg(long, env = "GANTZ_UPSTREAM_HEADER", hide_env_values = true, value_name = "NAME: VALUE", value_parser = header)]
    pub(super) upstream_header: Vec<(HeaderName, HeaderValue)>,
    /// How long the local server may take to begin its answer; 0: as long as it likes [default: 5m]
    #[arg(long, env = "GANTZ_UPSTREAM_TIMEOUT", value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub(super) upstream_timeout: Option<Duration>,
    /// Start a small demo MCP server and forward to it
    #[arg(long, env = "GANTZ_DEMO", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub(super) demo: Option<bool>,
    /// Print JSON, one object a line, on stdout
    #[arg(long, env = "GANTZ_JSON", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub(super) json: Option<bool>,
    /// Print a line for each request
    #[arg(long, env = "GANTZ_LOG_REQUESTS", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub(super) log_requests: Option<bool>,
    /// File in which each call is written down, as a line of JSON, or `none` [default: one for each tunnel in the state
    /// folder, on Linux ~/.local/state/gantz/calls]
    #[arg(long, env = "GANTZ_CALL_LOG", value_name = "FILE|none")]
    pub(super) call_log: Option<PathBuf>,
    /// Write tools' arguments to the log of calls too, but for what looks like a secret
    #[arg(long, env = "GANTZ_LOG_ARGUMENTS", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub(super) log_arguments: Option<bool>,
    /// Print a ready-to-paste configuration for a client
    #[arg(long, env = "GANTZ_PRINT_CONFIG", value_enum, value_name = "CLIENT")]
    pub(super) print_config: Option<Snippet>,
    /// That of the profile.
    #[arg(skip)]
    pub(super) fingerprint: Option<Fingerprint>,
    /// Address of the relay inside this process [default: 127.0.0.1:8080, or another port where that is taken]
    #[arg(long, env = "GANTZ_LOCAL_LISTEN", value_name = "ADDR:PORT", value_parser = address)]
    pub(super) local_listen: Option<SocketAddr>,
    /// How logs are written
    #[arg(long, env = "GANTZ_LOG_FORMAT", value_enum, default_value = "text", value_name = "FORMAT")]
    pub(super) log_format: LogFormat,
    /// Say more; twice: say everything (the variable: 0, 1 or 2)
    #[arg(short, long, env = "GANTZ_VERBOSE", action = clap::ArgAction::Count, value_parser = verbosity)]
    pub(super) verbose: u8,
}

/// What may carry the tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TransportArg {
    /// QUIC, and TCP where UDP does not get through
    Auto,
    /// QUIC, over UDP
    Quic,
    /// TLS over TCP
    Tcp,
}

impl From<TransportArg> for Transports {
    fn from(arg: TransportArg) -> Self {
        match arg {
            TransportArg::Auto => Self::Auto,
            TransportArg::Quic => Self::Quic,
            TransportArg::Tcp => Self::Tcp,
        }
    }
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    /// Who shows the token.
    Token,
    /// Everybody.
    None,
}

/// `token` or `none`. What else was given is not repeated: it may be a token.
fn auth(text: &str) -> Result<Auth, String> {
    match text {
        "token" => Ok(Auth::Token),
        "none" => Ok(Auth::None),
        _ => {
            Err("it is neither `token` nor `none`; --auth, and a token of your own with --token or GANTZ_TOKEN".into())
        }
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port; 127.0.0.1:8080"))
}

/// How long something may take, or 0: as long as it likes.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    Spans { least: Duration::from_millis(1), zero: Some("for no limit"), forms: "90s, 15m, 24h" }.read(text)
}

/// `NAME: VALUE`.
pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("it has no colon; a field is written like `Name: value`")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| "the part before the colon is no field name; a field is written like `Name: value`")?;
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| "the part after the colon has a character, such as a line's end, that no field has; one line like `Name: value`")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// An origin as browsers write it (RFC 6454 §6.2), whatever its scheme: some editors have one of their own.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let is_origin = text.split_once("://").is_some_and(|(scheme, host)| {
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let is_host = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '@');
        !scheme.is_empty() && scheme.chars().all(is_scheme) && !host.is_empty() && host.chars().all(is_host)
    });
    if is_origin || text == "*" {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not an origin; https://app.example.com without a path, or * for every page"))
}

/// What can stand in `Host`.
pub(super) fn host(text: &str) -> Result<HeaderValue, String> {
    let bad = || format!("`{}` is not a host; localhost:8090, or a name without a scheme", text.escape_debug());
    gantz_shared::authority::parse(text).map_err(|_| bad())?;
    HeaderValue::from_str(text).map_err(|_| bad())
}

pub(super) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}
