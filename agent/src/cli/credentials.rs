//! Who is believed: the token that callers show, and the certificates that the relay shows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gantz_shared::control::{Policy, TokenEntry};
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::token::Token;
use rand::rngs::SysRng;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::args::{Auth, RunArgs};
use crate::config::Trust;

/// How long a token lives unless the user says otherwise.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The token and its end; none for a tunnel that is open on purpose.
pub(super) fn credentials(args: &RunArgs) -> Result<(Option<Token>, Option<SystemTime>), Failure> {
    if args.auth == Some(Auth::None) {
        return Ok((None, None));
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
    let ttl = args.token_ttl.unwrap_or(TOKEN_TTL);
    if ttl.is_zero() {
        return Ok((Some(token), None));
    }
    let expires_at = SystemTime::now().checked_add(ttl).ok_or_else(|| {
        Failure::new(Exit::Usage, "--token-ttl is beyond the end of time").hint("0 for a token that never expires")
    })?;
    Ok((Some(token), Some(expires_at)))
}

/// What the relay is told.
pub(super) fn policy(args: &RunArgs, token: Option<&Token>, expires_at: Option<SystemTime>) -> Policy {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Policy {
        open: token.is_none(),
        tokens: token
            .map(|token| TokenEntry {
                id: "run".to_owned(),
                digest: token.digest(),
                expires_at: expires_at.map(seconds),
                label: None,
            })
            .into_iter()
            .collect(),
        allowed_origins: args.allow_origin.clone(),
    }
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
