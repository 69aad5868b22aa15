//! Who is believed: the token that callers show, and the certificates that the relay shows.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gantz_shared::control::Secret;
use gantz_shared::failure::{Exit, Failure};
use gantz_shared::token::Token;
use rand::rngs::SysRng;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::args::{Auth, RunArgs};
use super::lifetime::Lifetime;
use super::printer::Printer;
use crate::config::Trust;
use crate::tokens::{Book, Record, Snapshot};

/// How long a token lives unless the user says otherwise.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// With what callers are checked.
#[derive(Debug)]
pub(super) struct Credentials {
    /// All tokens; none for a tunnel that is open on purpose.
    pub(super) book: Arc<Book>,
    /// The one that is shown.
    pub(super) token: Option<Token>,
    pub(super) origin: Origin,
}

/// Where the token that is shown comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// There is none.
    Open,
    /// The user has it, and keeps it.
    Brought,
    /// It was made just now.
    Fresh,
    /// Likewise, as that of the last run has expired.
    Expired,
    /// It is that of the last run.
    Kept,
}

/// The tokens that the tunnel begins with: those of the last run, with another first one where that has expired or was
/// revoked, or the user brings one.
pub(super) fn begin(args: &RunArgs, kept: &Snapshot, printer: Printer) -> Result<Credentials, Failure> {
    if args.auth == Some(Auth::None) {
        return Ok(Credentials { book: Arc::new(Book::new(Vec::new())), token: None, origin: Origin::Open });
    }
    let mut kept = kept.clone();
    let first = kept.first.take();
    let now = SystemTime::now();
    let mut is_expired = false;
    if let Some(first) = first {
        let record = kept.records.iter_mut().find(|record| record.id == first.id);
        is_expired = first.secret.is_some() && record.as_ref().is_some_and(|record| record.is_expired(now));
        match (record, &first.secret) {
            (Some(record), Some(token)) if args.token.is_none() && !is_expired => {
                shorten(args, record, now, printer);
                let token = token.clone();
                kept.first = Some(first);
                return Ok(Credentials {
                    book: Arc::new(Book::restored(kept)),
                    token: Some(token),
                    origin: Origin::Kept,
                });
            }
            // Another one takes its place.
            _ => kept.records.retain(|record| record.id != first.id),
        }
    }
    let (token, origin) = match &args.token {
        Some(brought) => (self::brought(brought)?, Origin::Brought),
        None => {
            let token = Token::generate(&mut SysRng)
                .map_err(|error| Failure::new(Exit::Failed, "the system gives no random bytes").why(error))?;
            (token, if is_expired { Origin::Expired } else { Origin::Fresh })
        }
    };
    let book = Book::restored(kept);
    book.begin(&token, life(args), origin == Origin::Brought).map_err(|error| {
        Failure::new(Exit::Failed, "there is no room for a first token")
            .why(error)
            .hint("--new, which forgets all tokens of the last run")
    })?;
    Ok(Credentials { book: Arc::new(book), token: Some(token), origin })
}

fn brought(token: &Secret) -> Result<Token, Failure> {
    Token::parse(token.reveal()).map_err(|why| {
        Failure::new(Exit::Usage, "the token given by --token, GANTZ_TOKEN or a file is refused")
            .why(why)
            .hint("none for a fresh one, or what `openssl rand -base64 32` prints")
    })
}

/// A life that is asked for is never exceeded, but one that has begun gets no longer by a restart.
fn shorten(args: &RunArgs, record: &mut Record, now: SystemTime, printer: Printer) {
    let Some(asked) = args.token_ttl.map(Lifetime::limit) else { return };
    let is_as_before = asked.map(|life| life.as_secs()) == record.life;
    if !is_as_before && !record.live_at_most(asked, now) {
        printer.note("--token-ttl is for fresh tokens: the one of last time keeps its end (--new for a fresh one)");
    }
}

/// How long a fresh token lives; none: for ever.
fn life(args: &RunArgs) -> Option<Duration> {
    args.token_ttl.unwrap_or(Lifetime::Limited(TOKEN_TTL)).limit()
}

/// How long the token that is shown lives from now on, when it is ready; none: for ever. It was `given` so long when it
/// was made.
pub(super) fn left(
    args: &RunArgs,
    origin: Origin,
    expires_at: Option<u64>,
    given: Option<Duration>,
) -> Option<Duration> {
    if origin != Origin::Kept {
        return life(args);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The two clocks may differ. However they do, no more is left than the token was given.
    expires_at
        .map(|at| Duration::from_secs(at).saturating_sub(now))
        .map(|left| given.map_or(left, |life| left.min(life)))
}

/// Whom to believe that it is the relay.
pub(super) fn trust(args: &RunArgs) -> Result<Trust, Failure> {
    let Some(path) = &args.relay_ca else {
        return Ok(args.fingerprint.map_or(Trust::System, Trust::Fingerprint));
    };
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
