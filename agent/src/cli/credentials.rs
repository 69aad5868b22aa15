//! Who is believed: the token that callers show, and the certificates that the relay shows.

use std::time::Duration;

use gantz_shared::control::{Policy, TokenEntry};
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::token::Token;
use rand::rngs::SysRng;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::args::{Auth, RunArgs};
use super::lifetime::Lifetime;
use crate::config::Trust;

/// How long a token lives unless the user says otherwise.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What the tunnel's first token is called in logs and by `gantz token`.
const FIRST_TOKEN: &str = "run";

/// The token that the tunnel begins with; none for a tunnel that is open on purpose.
pub(super) fn token(args: &RunArgs) -> Result<Option<Token>, Failure> {
    if args.auth == Some(Auth::None) {
        return Ok(None);
    }
    let token = match &args.token {
        Some(brought) => Token::parse(brought.reveal()).map_err(|why| {
            Failure::new(Exit::Usage, "the token given by --token, GANTZ_TOKEN or a file is refused")
                .why(why)
                .hint("none for a fresh one, or what `openssl rand -base64 32` prints")
        })?,
        None => Token::generate(&mut SysRng)
            .map_err(|error| Failure::new(Exit::Failed, "the system gives no random bytes").why(error))?,
    };
    Ok(Some(token))
}

/// How long it lives; none: for ever.
pub(super) fn life(args: &RunArgs) -> Option<Duration> {
    args.token_ttl.unwrap_or(Lifetime::Limited(TOKEN_TTL)).limit()
}

/// What the relay is told.
pub(super) fn policy(args: &RunArgs, token: Option<&Token>) -> Policy {
    let ttl = life(args).map(|life| life.as_secs());
    let first = token.map(|token| TokenEntry { ttl, ..TokenEntry::new(FIRST_TOKEN, token.digest()) });
    Policy { open: token.is_none(), tokens: first.into_iter().collect(), allowed_origins: args.allow_origin.clone() }
}

/// Whom to believe that it is the relay.
pub(super) fn trust(args: &RunArgs) -> Result<Trust, Failure> {
    let Some(path) = &args.relay_ca else { return Ok(Trust::System) };
    let failed = |why: String| {
        Failure::new(Exit::Usage, format!("--relay-ca {} cannot be used", path.display()))
            .why(why)
            .hint("the ca.pem in the relay's state folder")
    };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("it holds no PEM certificate".into()));
    }
    Ok(Trust::Only(certificates))
}
