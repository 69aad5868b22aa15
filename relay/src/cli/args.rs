//! The flags of `gantz-relay serve`. Each has an environment variable, and a key in a file.
// The docs of flags are what --help prints, and a terminal wants bare URLs.
#![allow(rustdoc::bare_urls)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use gantz_cli::{LogFormat, Spans, verbosity};
use ipnet::IpNet;

use super::acme::AcmeArgs;
use super::limits::LimitArgs;
use super::otlp::OtlpArgs;
use crate::config::{Access, Domain, MAX_WORKERS};

/// The flags of `gantz-relay serve`. What none of them says may come from a file (`super::file`).
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The domain whose names are tunnels; in DNS it and everything under it (*.DOMAIN) point to this relay
    #[arg(long, env = "GANTZ_RELAY_DOMAIN", value_parser = Domain::parse)]
    pub(super) domain: Option<Domain>,
    /// YAML file of what neither flags nor environment say: the flags' names as keys, `_` for `-` [default:
    /// /etc/gantz/relay.yaml, where there is one]
    #[arg(long, env = "GANTZ_RELAY_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Address for the public (TCP) and for agents (UDP)
    #[arg(long, env = "GANTZ_RELAY_LISTEN", value_parser = address, default_value = "0.0.0.0:443", value_name = "ADDR:PORT")]
    pub(super) listen: SocketAddr,
    /// Address of a plain HTTP listener that sends browsers to HTTPS [default: 0.0.0.0:80 where --listen has port 443]
    #[arg(long, env = "GANTZ_RELAY_HTTP_LISTEN", value_parser = address, value_name = "ADDR:PORT")]
    pub(super) http_listen: Option<SocketAddr>,
    /// Where the certificate comes from
    #[arg(long, env = "GANTZ_RELAY_TLS", value_enum, default_value = "acme", value_name = "SOURCE")]
    pub(super) tls: TlsArg,
    /// With --tls files: the certificate chain, PEM; watched for changes
    #[arg(long, env = "GANTZ_RELAY_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// With --tls files: the key, PEM; watched for changes
    #[arg(long, env = "GANTZ_RELAY_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(super) acme: AcmeArgs,
    /// Folder for what outlives a restart [default: gantz-relay in the user's state folder]
    #[arg(long, env = "GANTZ_RELAY_STATE_DIR", value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// File in which it is written down who came and who was turned away, or `none` [default: audit/audit.log in the
    /// state folder]
    #[arg(long, env = "GANTZ_RELAY_AUDIT_LOG", value_name = "FILE")]
    pub(super) audit_log: Option<PathBuf>,
    /// Address of the operator's listener (health, access keys); never public
    #[arg(long, env = "GANTZ_RELAY_ADMIN_LISTEN", value_parser = address, default_value = "127.0.0.1:9090", value_name = "ADDR:PORT")]
    pub(super) admin_listen: SocketAddr,
    /// Who may open tunnels
    #[arg(long, env = "GANTZ_RELAY_ACCESS", value_enum, default_value = "keys", value_name = "WHO")]
    pub(super) access: AccessArg,
    /// How the public reaches this relay, where a proxy stands in front, such as https://relay.example.com
    #[arg(long, env = "GANTZ_RELAY_PUBLIC_URL", value_name = "URL")]
    pub(super) public_url: Option<http::Uri>,
    /// Networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed [default: none]
    #[arg(long, env = "GANTZ_RELAY_TRUSTED_PROXIES", value_name = "CIDR", value_parser = network, value_delimiter = ',')]
    pub(super) trusted_proxies: Vec<IpNet>,
    /// Threads over which tunnels and their callers are spread: more than one where a processor is not enough
    #[arg(long, env = "GANTZ_RELAY_WORKERS", default_value = "1", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=MAX_WORKERS.get() as i64))]
    pub(super) workers: u16,
    /// How long a request waits for an agent that is away for a moment
    #[arg(long, env = "GANTZ_RELAY_HOLD", default_value = "5s", value_name = "TIME", value_parser = span, allow_hyphen_values = true)]
    pub(super) hold: Duration,
    /// How long a name that was asked for is kept for its last holder after a goodbye; 0: not at all
    #[arg(long, env = "GANTZ_RELAY_KEEP_NAMES", default_value = "24h", value_name = "TIME", value_parser = span, allow_hyphen_values = true)]
    pub(super) keep_names: Duration,
    /// Silence on an event stream after which a comment is sent
    #[arg(long, env = "GANTZ_RELAY_SSE_KEEP_ALIVE", default_value = "15s", value_name = "TIME", value_parser = deadline, allow_hyphen_values = true)]
    pub(super) sse_keep_alive: Duration,
    /// How long streams may finish after SIGTERM
    #[arg(long, env = "GANTZ_RELAY_DRAIN", default_value = "30s", value_name = "TIME", value_parser = span, allow_hyphen_values = true)]
    pub(super) drain: Duration,
    /// Take over from the relay that runs with this --state-dir, if one does: it gives its listeners and its agents away,
    /// lets open streams finish, and ends
    #[arg(long, env = "GANTZ_RELAY_TAKE_OVER", value_parser = BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub(super) take_over: Option<bool>,
    #[command(flatten)]
    pub(super) otlp: OtlpArgs,
    /// How logs are written
    #[arg(long, env = "GANTZ_RELAY_LOG_FORMAT", value_enum, default_value = "text", value_name = "FORMAT")]
    pub(super) log_format: LogFormat,
    /// Say more; twice: say everything (the variable: 0, 1 or 2)
    #[arg(short, long, env = "GANTZ_RELAY_VERBOSE", action = clap::ArgAction::Count, value_parser = verbosity)]
    pub(super) verbose: u8,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TlsArg {
    /// A CA of the relay's own: for trying out, and for networks that trust it
    SelfSigned,
    /// --tls-cert and --tls-key, which something else renews
    Files,
    /// Ordered from a certificate authority and renewed, for the domain and everything under it; using it agrees to
    /// the authority's terms of service
    Acme,
    /// Plain HTTP, for use behind a proxy that ends TLS
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AccessArg {
    /// Agents with an access key (gantz-relay key)
    Keys,
    /// Everybody who reaches the relay
    Open,
}

impl From<AccessArg> for Access {
    fn from(arg: AccessArg) -> Self {
        match arg {
            AccessArg::Keys => Self::Keys,
            AccessArg::Open => Self::Open,
        }
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port; 0.0.0.0:443, or [::]:443 for IPv6"))
}

/// A time for which something is done, if at all.
fn span(text: &str) -> Result<Duration, String> {
    Spans { least: Duration::from_millis(1), zero: Some("for not at all"), forms: "500ms, 30s, 5m" }.read(text)
}

/// A time after which something is done. It cannot be switched off, only be long.
pub(super) fn deadline(text: &str) -> Result<Duration, String> {
    Spans { least: Duration::from_millis(1), zero: None, forms: "500ms, 30s or 5m" }.read(text)
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse().map_err(|_| format!("`{text}` is not a network; 10.0.0.0/8, or 192.0.2.7/32 for one address"))
}
