//! From flags to a [`Config`].

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use gantz_shared::failure::{Exit, Failure};
use http::uri::Scheme;

use super::args::{ServeArgs, TlsArg};
use crate::config::{Config, Domain, PublicOrigin, TlsConfig};

/// What a relay is told; all that is wrong with the flags, otherwise, of which there is something then.
pub(super) fn config(args: &ServeArgs) -> Result<Config, Vec<Failure>> {
    let mut wrong = Vec::new();
    let domain = heard(domain(args), &mut wrong);
    let tls = heard(tls(args), &mut wrong);
    let public = domain.zip(args.public_url.as_ref()).map(|(domain, url)| public_origin(url, domain));
    let public = heard(public.transpose(), &mut wrong).flatten();
    let state_dir = heard(state_dir(args), &mut wrong);
    heard(args.otlp.check(), &mut wrong);
    let (Some(domain), Some(tls), Some(state_dir), true) = (domain, tls, state_dir, wrong.is_empty()) else {
        return Err(wrong);
    };
    Ok(Config {
        public,
        audit_log: match &args.audit_log {
            Some(none) if none.as_os_str() == "none" => None,
            Some(file) => Some(file.clone()),
            None => Some(state_dir.join("audit").join(gantz_audit::FILE_NAME)),
        },
        state_dir: Some(state_dir),
        access: args.access.into(),
        trusted_proxies: args.trusted_proxies.clone(),
        workers: NonZeroUsize::new(args.workers.into()).unwrap_or(NonZeroUsize::MIN),
        limits: args.limits.limits(args.access),
        rates: args.limits.rates(),
        hold: args.hold,
        keep_names: args.keep_names,
        can_be_taken_over: true,
        sse_keep_alive: args.sse_keep_alive,
        drain: args.drain,
        ..Config::new(domain.clone(), tls)
    })
}

/// Goes on without what is wrong, and notes it.
fn heard<T>(result: Result<T, Failure>, wrong: &mut Vec<Failure>) -> Option<T> {
    result.map_err(|failure| wrong.push(failure)).ok()
}

fn domain(args: &ServeArgs) -> Result<&Domain, Failure> {
    args.domain.as_ref().ok_or_else(|| {
        Failure::new(Exit::Usage, "the relay's domain is not said")
            .why("tunnels are names under it")
            .hint("--domain relay.example.com, or GANTZ_RELAY_DOMAIN, or `domain:` in a file")
    })
}

fn tls(args: &ServeArgs) -> Result<TlsConfig, Failure> {
    match args.tls {
        TlsArg::SelfSigned => Ok(TlsConfig::SelfSigned),
        TlsArg::Off => Ok(TlsConfig::Off),
        TlsArg::Acme => args.acme.config(http_listen(args).is_some()),
        TlsArg::Files => match (&args.tls_cert, &args.tls_key) {
            (Some(cert), Some(key)) => Ok(TlsConfig::Files { cert: cert.clone(), key: key.clone() }),
            _ => Err(Failure::new(Exit::Usage, "--tls files needs files")
                .why("a certificate and its key are two PEM files that something else renews")
                .hint("--tls-cert FILE and --tls-key FILE")),
        },
    }
}

/// The folder for what outlives a restart.
pub(super) fn state_dir(args: &ServeArgs) -> Result<PathBuf, Failure> {
    args.state_dir.clone().map_or_else(default_state_dir, Ok)
}

pub(super) fn default_state_dir() -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().map_err(|error| {
        Failure::new(Exit::Usage, "there is no folder for the relay's state").why(error).hint("--state-dir DIR")
    })?;
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("gantz-relay"))
}

/// Where plain HTTP is answered, if at all.
pub(super) fn http_listen(args: &ServeArgs) -> Option<SocketAddr> {
    let is_usual = args.listen.port() == 443 && args.tls != TlsArg::Off;
    args.http_listen.or_else(|| is_usual.then_some((Ipv4Addr::UNSPECIFIED, 80).into()))
}

fn public_origin(url: &http::Uri, domain: &Domain) -> Result<PublicOrigin, Failure> {
    let bad = |why: &str| {
        Failure::new(Exit::Usage, format!("--public-url {url} cannot be used"))
            .why(why)
            .hint(format!("https://{}", domain.as_str()))
    };
    let scheme = match url.scheme_str() {
        Some("https") => Scheme::HTTPS,
        Some("http") => Scheme::HTTP,
        _ => return Err(bad("it has to begin with https:// or http://")),
    };
    if url.host() != Some(domain.as_str()) {
        return Err(bad("its host has to be --domain: tunnels are names under that"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(bad("it has to be without a path: tunnels have names, not paths"));
    }
    let port = url.port_u16().unwrap_or(if scheme == Scheme::HTTPS { 443 } else { 80 });
    Ok(PublicOrigin { scheme, port })
}
