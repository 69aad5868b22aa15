//! The flags of `--tls acme`.
// The docs of flags are what --help prints, and a terminal wants bare URLs.
#![allow(rustdoc::bare_urls)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use gantz_acme::directory::{LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
use gantz_shared::failure::{Exit, Failure};

use crate::config::{AcmeConfig, AcmeProof, TlsConfig};

/// The flags of `--tls acme`.
#[derive(Debug, Args)]
pub(super) struct AcmeArgs {
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
}

impl AcmeArgs {
    pub(super) fn config(&self) -> Result<TlsConfig, Failure> {
        let proof = match (&self.acme_hook, &self.acme_dns_zone) {
            (Some(_), Some(_)) => {
                return Err(Failure::new(Exit::Usage, "--acme-hook and --acme-dns-zone contradict each other")
                    .why("with a hook the relay answers for no name")
                    .hint("one of them"));
            }
            (Some(hook), None) => AcmeProof::Hook(hook.clone()),
            (None, zone) => AcmeProof::Dns { listen: self.acme_dns_listen, zone: zone.clone() },
        };
        Ok(TlsConfig::Acme(AcmeConfig {
            directory: self.acme_directory.clone(),
            email: self.acme_email.clone(),
            ca: self.acme_ca.clone(),
            proof,
        }))
    }
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
