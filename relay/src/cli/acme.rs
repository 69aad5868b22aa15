//! The flags of `--tls acme`.
// The docs of flags are what --help prints, and a terminal wants bare URLs.
#![allow(rustdoc::bare_urls)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gantz_acme::directory::{LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
use gantz_cli::{Layer, One, Pair, Said};
use gantz_shared::failure::{Exit, Failure};

use crate::config::{AcmeConfig, AcmeProof, NAMES_PER_WEEK, NameChallenge, TlsConfig};

/// The keys of them, but for the address: that says who the operator is, and asks for nothing. It stays where it is, in the
/// two lines of an `.env`, when something else brings the certificate.
pub(super) const KEYS: [&str; 7] =
    ["acme_challenge", "acme_directory", "acme_ca", DNS_LISTEN, "acme_dns_zone", "acme_hook", "acme_names_per_week"];

/// In the environment, where a compose file sets it for whatever the certificate comes from, it asks for nothing.
const DNS_LISTEN: &str = "acme_dns_listen";

/// Of these, those that have a use with DNS-01 only.
const DNS: [&str; 3] = ["acme_hook", DNS_LISTEN, "acme_dns_zone"];

/// How it is shown whose the domain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ChallengeArg {
    /// A record in DNS (DNS-01): one certificate, for the domain and everything under it
    Dns,
    /// A handshake on port 443 (TLS-ALPN-01): a certificate for each name, when its tunnel opens
    TlsAlpn,
    /// A file over plain HTTP on port 80 (HTTP-01): a certificate for each name, when its tunnel opens
    Http,
}

impl ChallengeArg {
    fn by_name(self) -> Option<NameChallenge> {
        match self {
            Self::Dns => None,
            Self::TlsAlpn => Some(NameChallenge::TlsAlpn),
            Self::Http => Some(NameChallenge::Http),
        }
    }
}

/// The flags of `--tls acme`.
#[derive(Debug, Args)]
pub(super) struct AcmeArgs {
    /// With --tls acme: where the certificate authority looks for the proof that the domain is the relay's
    #[arg(long, env = "GANTZ_RELAY_ACME_CHALLENGE", value_enum, default_value = "dns", value_name = "CHALLENGE")]
    acme_challenge: ChallengeArg,
    /// With --tls acme: where the certificate authority may write to when something is wrong
    #[arg(long, env = "GANTZ_RELAY_ACME_EMAIL", value_name = "ADDRESS", value_parser = email)]
    acme_email: Option<String>,
    /// With --tls acme: the certificate authority's directory, or `letsencrypt`, or `staging` for trying out: Let's
    /// Encrypt's, whose certificates nobody trusts
    #[arg(long, env = "GANTZ_RELAY_ACME_DIRECTORY", value_name = "URL", value_parser = directory, default_value = "letsencrypt")]
    acme_directory: String,
    /// With --tls acme: PEM file of who vouches for the directory's own server [default: the system's]
    #[arg(long, env = "GANTZ_RELAY_ACME_CA", value_name = "FILE")]
    acme_ca: Option<PathBuf>,
    /// With --tls acme: address of the DNS server that answers for _acme-challenge.DOMAIN, to which an NS record of that
    /// name leads
    #[arg(long, env = "GANTZ_RELAY_ACME_DNS_LISTEN", value_parser = address, default_value = "0.0.0.0:53", value_name = "ADDR:PORT")]
    acme_dns_listen: SocketAddr,
    /// With --tls acme: the name that it answers for instead, where _acme-challenge.DOMAIN is a CNAME record for one
    #[arg(long, env = "GANTZ_RELAY_ACME_DNS_ZONE", value_name = "NAME")]
    acme_dns_zone: Option<String>,
    /// With --tls acme: a command that sets the record at a DNS provider instead, called as lego calls its exec provider
    #[arg(long, env = "GANTZ_RELAY_ACME_HOOK", value_name = "FILE")]
    acme_hook: Option<PathBuf>,
    /// With --acme-challenge tls-alpn or http: names that may get their first certificate in 7 days; over it tunnels open,
    /// and nobody can call them. Let's Encrypt issues 50 for one registered domain
    #[arg(long, env = "GANTZ_RELAY_ACME_NAMES_PER_WEEK", value_name = "NUMBER", default_value_t = NAMES_PER_WEEK,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    acme_names_per_week: u32,
}

impl AcmeArgs {
    /// Leaves the one way of proving that is heard.
    pub(super) fn settle(&mut self, said: &mut Said) -> Result<(), Failure> {
        let own_server = &DNS[1..];
        if said.layer("acme_hook").is_some()
            && let Some(key) = first_of(said, own_server)
        {
            let why = "with a hook the relay answers for no name";
            match (Pair { one: ("acme_hook", None), other: (key, None), why }).first(said)? {
                One::First => self.forget(own_server, said),
                One::Other => self.forget(&["acme_hook"], said),
            }
        }
        if self.acme_challenge.by_name().is_some()
            && let Some(key) = first_of(said, &DNS)
        {
            let value = self.acme_challenge.to_possible_value();
            let one = ("acme_challenge", value.as_ref().map(|value| value.get_name()));
            let why = "only --acme-challenge dns has a use for DNS";
            match (Pair { one, other: (key, None), why }).first(said)? {
                One::First => self.forget(&DNS, said),
                One::Other => {
                    self.acme_challenge = ChallengeArg::Dns;
                    said.imply("acme_challenge", "dns", key);
                    said.forget("acme_names_per_week");
                }
            }
        }
        if self.acme_challenge == ChallengeArg::Dns && said.layer("acme_names_per_week").is_some() {
            let what = format!("{} has no use with --acme-challenge dns", said.spelled("acme_names_per_week", None));
            return Err(Failure::new(Exit::Usage, what)
                .why("there is one certificate, for the domain and every name under it")
                .hint("--acme-challenge tls-alpn or http, or without it"));
        }
        Ok(())
    }

    fn forget(&mut self, keys: &[&str], said: &mut Said) {
        for key in keys {
            said.forget(key);
            match *key {
                "acme_hook" => self.acme_hook = None,
                "acme_dns_zone" => self.acme_dns_zone = None,
                // The address means nothing where the relay answers for no name.
                _ => {}
            }
        }
    }

    /// Whether proofs are fetched over plain HTTP.
    pub(super) fn needs_http(&self) -> bool {
        self.acme_challenge == ChallengeArg::Http
    }

    /// `has_http`: plain HTTP is answered somewhere.
    pub(super) fn config(&self, has_http: bool) -> Result<TlsConfig, Failure> {
        if self.needs_http() && !has_http {
            return Err(Failure::new(Exit::Usage, "--acme-challenge http needs a listener for plain HTTP")
                .why("the certificate authority fetches its proof from port 80 of each name")
                .hint("--http-listen 0.0.0.0:80, or --acme-challenge tls-alpn"));
        }
        let proof = match (self.acme_challenge.by_name(), &self.acme_hook) {
            (Some(challenge), _) => AcmeProof::ByName { challenge, names_per_week: self.acme_names_per_week },
            (None, Some(hook)) => AcmeProof::Hook(hook.clone()),
            (None, None) => AcmeProof::Dns { listen: self.acme_dns_listen, zone: self.acme_dns_zone.clone() },
        };
        Ok(TlsConfig::Acme(AcmeConfig {
            directory: self.acme_directory.clone(),
            email: self.acme_email.clone(),
            ca: self.acme_ca.clone(),
            proof,
        }))
    }
}

/// The first of `keys` that somebody has said.
pub(super) fn first_of(said: &Said, keys: &[&'static str]) -> Option<&'static str> {
    let layers = keys.iter().filter_map(|key| Some((said.layer(key)?, *key)));
    let layers = layers.filter(|(layer, key)| *key != DNS_LISTEN || !matches!(layer, Layer::Environment));
    layers.min_by_key(|(layer, _)| *layer).map(|(_, key)| key)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port; 0.0.0.0:53, or [::]:53 for IPv6"))
}

fn directory(text: &str) -> Result<String, String> {
    match text {
        "letsencrypt" => Ok(LETS_ENCRYPT.to_owned()),
        "staging" => Ok(LETS_ENCRYPT_STAGING.to_owned()),
        _ => match text.parse::<http::Uri>() {
            Ok(uri) if uri.scheme() == Some(&http::uri::Scheme::HTTPS) && uri.host().is_some() => Ok(text.to_owned()),
            _ => {
                Err(format!("`{text}` is not the https address of a directory; https://…, `letsencrypt` or `staging`"))
            }
        },
    }
}

/// No more than that nothing else can be meant, and that it can be part of a URL (RFC 8555 §7.3).
fn email(text: &str) -> Result<String, String> {
    let is_address =
        text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?,<>\"".contains(&byte));
    if is_address && is_plain {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an e-mail address; operator@example.com"))
    }
}
