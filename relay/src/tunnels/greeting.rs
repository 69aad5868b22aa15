//! The agent's first message and the relay's answer to it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gantz_shared::control::{self, ControlError, FromAgent, FromRelay, Hello, RefusalCode, Refused, Secret, Welcome};
use gantz_shared::name::Name;
use gantz_shared::reset::CloseCode;
use gantz_transport::Connection;
use gantz_transport::control::{ControlReceiver, ControlSender, Error};

use super::ticket::key_digest;
use super::{Greeter, KeyDigest, Title, Tunnel};
use crate::access::{Key, NotAdmitted};
use crate::audit::Event;
use crate::config::{RETURN_WINDOW, Rates};
use crate::directory::{ClaimError, Departure, Found, Given, Right};
use crate::sources::Place;

/// Seconds after which an agent may try again where the relay was full.
const RETRY_FULL_SECS: u32 = 60;

/// Bytes of the word that tells an agent's runs apart: it is kept for as long as the name is.
const MAX_RUN: usize = 64;

/// Random names that are tried before the relay gives up: with 2^48 of them a second try is already a wonder.
const RANDOM_TRIES: usize = 8;

impl Greeter {
    /// Reads `hello` and opens the tunnel, or says why not: there may be no `place` for one more from its address. `None`: the agent was refused, or went away.
    pub(super) async fn greet(
        &self,
        connection: &Connection,
        place: Option<&Place>,
        sender: &mut ControlSender,
        receiver: &mut ControlReceiver,
    ) -> Result<Option<Arc<Tunnel>>, Error> {
        let hello = match receiver.receive().await? {
            Some(FromAgent::Hello(hello)) => hello,
            Some(_) => return Err(ControlError::Malformed("the first message is not hello".into()).into()),
            None => return Ok(None),
        };
        let agent: String = hello.agent.chars().take(64).collect();
        match self.open(connection, place, &hello).await {
            Ok(Opened { tunnel, right, awaited }) => {
                let claim = Claim { greeter: self, tunnel: &tunnel, right, is_welcome: false };
                let name = tunnel.name().clone();
                self.directory.written(&name).await;
                let welcome = Welcome {
                    url: self.origin.replace('*', name.as_str()),
                    resume: self.tickets.issue(&tunnel.title(), tunnel.access_key()),
                    relay: concat!("gantz-relay/", env!("CARGO_PKG_VERSION")).to_owned(),
                    limits: control::Limits { max_body: self.limits.body },
                    lives: tunnel.lives(),
                    awaited,
                    name,
                };
                tracing::info!(name = %tunnel.name(), agent = ?agent, peer = %connection.remote_address(), open = hello.policy.open, "tunnel opened");
                // Before the agent can tell anybody its URL: its first caller waits for the certificate.
                self.certificates.want(tunnel.name());
                sender.send(&FromRelay::Welcome(welcome)).await?;
                claim.keep();
                self.audit.write(&Event::TunnelOpened {
                    name: tunnel.name().as_str(),
                    peer: connection.remote_address(),
                    agent: &agent,
                    open: tunnel.is_open(),
                    tokens: hello.policy.tokens.len(),
                    key: tunnel.key_id().as_deref(),
                });
                Ok(Some(tunnel))
            }
            Err(refused) => {
                self.metrics.tunnels_refused.of(refused.code.into()).inc();
                tracing::info!(code = ?refused.code, agent = ?agent, peer = %connection.remote_address(), "agent refused");
                self.audit.write(&Event::TunnelRefused {
                    peer: connection.remote_address(),
                    agent: &agent,
                    code: refused.code.as_str(),
                });
                sender.send(&FromRelay::Refused(refused)).await?;
                Ok(None)
            }
        }
    }

    async fn open(&self, connection: &Connection, place: Option<&Place>, hello: &Hello) -> Result<Opened, Refused> {
        hello.policy.check().map_err(|error| refused(RefusalCode::InvalidHello, error.to_string()))?;
        if hello.run.as_ref().is_some_and(|run| run.id.len() > MAX_RUN) {
            return Err(refused(RefusalCode::InvalidHello, format!("`run` has more than {MAX_RUN} bytes")));
        }
        if place.is_none() {
            let message = "this address has as many tunnels as one may have".to_owned();
            let retry_after = Some(RETRY_FULL_SECS.into());
            return Err(Refused { code: RefusalCode::RelayFull, message, retry_after });
        }
        let key = match &self.keys {
            Some(keys) => Some(keys.admit(hello.access_key.as_ref()).await.map_err(|why| not_admitted(&why))?),
            None => None,
        };
        let guest = Guest { connection, hello, key, access_key: key_digest(hello.access_key.as_ref()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let resumed = hello.resume.as_ref().and_then(|ticket| self.redeem(ticket, &guest.access_key, hello, now));
        if let Some(title) = resumed {
            match self.claim_reserved(&guest, title, Right::Ticket).await {
                // Somebody else has it since. Who wishes for no name gets another one.
                Err(NotOpened::Claim(ClaimError::Taken(_) | ClaimError::Kept { .. } | ClaimError::Reserved(_)))
                    if hello.wanted_name.is_none() => {}
                claimed => return claimed.map_err(NotOpened::refused),
            }
        }
        let title = |name| Title::claimed(name, now, hello.run.clone());
        if let Some(wanted) = &hello.wanted_name {
            let name = Name::parse(wanted).map_err(|error| refused(RefusalCode::InvalidName, error.to_string()))?;
            return self.claim_reserved(&guest, title(name), Right::First).await.map_err(NotOpened::refused);
        }
        let mut last = NotOpened::Claim(ClaimError::Full);
        for _ in 0..RANDOM_TRIES {
            match self.claim(&guest, title(Name::random(&mut rand::rng())), Right::Fresh) {
                Ok(claimed) => return Ok(claimed),
                Err(error @ (NotOpened::Claim(ClaimError::Full) | NotOpened::NotAdmitted(_))) => {
                    return Err(error.refused());
                }
                Err(error) => last = error,
            }
        }
        Err(last.refused())
    }

    /// Claims a name that is wished for, or that a ticket is for, when it is the guest's by its access key.
    async fn claim_reserved(&self, guest: &Guest<'_>, title: Title, right: Right) -> Result<Opened, NotOpened> {
        // What the relay has drawn is nobody's but the ticket's holder's.
        let Some(key) = guest.key.as_ref().filter(|_| !title.name.is_drawn()) else {
            return self.claim(guest, title, right);
        };
        let reserved = self.directory.reserve(&title.name, key).await.map_err(NotOpened::Claim)?;
        let wanted = title.name.clone();
        let claimed = self.claim(guest, title, if right == Right::Ticket { right } else { reserved });
        // Another agent of this key may have come between: the name is the key's all the same.
        let is_the_keys = || {
            let found = self.directory.find(wanted.as_str());
            matches!(found, Found::Here(tunnel) if *tunnel.access_key() == guest.access_key)
        };
        if claimed.is_err() && reserved == Right::Reserved && !is_the_keys() {
            self.directory.unreserve(&wanted, key).await;
        }
        claimed
    }

    fn claim(&self, guest: &Guest<'_>, title: Title, right: Right) -> Result<Opened, NotOpened> {
        let seat = match (&self.keys, &guest.key) {
            (Some(keys), Some(key)) => Some(keys.book().enter(key, &title.name, guest.connection.clone())?),
            _ => None,
        };
        let rate = guest.key.as_ref().and_then(|key| key.terms().rate);
        let rates = Rates { tunnel: rate.unwrap_or(self.rates.tunnel), ..self.rates };
        let (connection, policy) = (guest.connection.clone(), guest.hello.policy.clone());
        let requests = self.limits.requests;
        let tunnel = Tunnel::new(title, guest.access_key, connection, policy, &self.unread, &rates, requests);
        let Given { replaced, awaited } = self.directory.claim(&tunnel, right, guest.hello.moves)?;
        if let Some(seat) = seat {
            tunnel.sit(seat);
        }
        for ghost in replaced {
            ghost.set_superseded();
            ghost.close(CloseCode::Replaced, "a newer tunnel of this name was opened");
        }
        Ok(Opened { tunnel, right, awaited })
    }

    /// What the agent's ticket entitles to, unless the agent now wishes for another name.
    fn redeem(&self, ticket: &Secret, access_key: &KeyDigest, hello: &Hello, now: u64) -> Option<Title> {
        let (name, claimed, shown) = self.tickets.redeem(ticket, access_key)?;
        let wishes_otherwise =
            hello.wanted_name.as_deref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(name.as_str()));
        (!wishes_otherwise).then(|| Title::resumed(name, claimed, shown, now, hello.run.clone()))
    }
}

/// Who asks for a tunnel.
struct Guest<'a> {
    connection: &'a Connection,
    hello: &'a Hello,
    /// None where the relay asks for none.
    key: Option<Arc<Key>>,
    access_key: KeyDigest,
}

/// A tunnel that has its name.
struct Opened {
    tunnel: Arc<Tunnel>,
    right: Right,
    /// Callers are not sent there yet.
    awaited: bool,
}

/// Why there is no tunnel of this name.
#[derive(Debug, thiserror::Error)]
enum NotOpened {
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    #[error(transparent)]
    Claim(#[from] ClaimError),
}

impl NotOpened {
    fn refused(self) -> Refused {
        match self {
            Self::NotAdmitted(why) => not_admitted(&why),
            Self::Claim(error) => unclaimed(&error),
        }
    }
}

/// A claim whose agent has not been told. Should it never be, because it went away or does not read, the name must not
/// be left to a tunnel that is none. Only whoever came with a ticket can come back for it.
struct Claim<'a> {
    greeter: &'a Greeter,
    tunnel: &'a Tunnel,
    right: Right,
    is_welcome: bool,
}

impl Claim<'_> {
    fn keep(mut self) {
        self.is_welcome = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.is_welcome {
            let departure = if self.right == Right::Ticket { Departure::Away } else { Departure::NeverThere };
            self.greeter.release(self.tunnel, departure);
        }
    }
}

fn refused(code: RefusalCode, message: String) -> Refused {
    Refused { code, message, retry_after: None }
}

fn not_admitted(why: &NotAdmitted) -> Refused {
    let code = if matches!(why, NotAdmitted::Quota(_)) { RefusalCode::QuotaReached } else { RefusalCode::BadKey };
    refused(code, why.to_string())
}

fn unclaimed(error: &ClaimError) -> Refused {
    let (code, retry_after) = match error {
        ClaimError::Taken(_) | ClaimError::Kept { .. } | ClaimError::Drawn(_) | ClaimError::Reserved(_) => {
            (RefusalCode::NameTaken, None)
        }
        ClaimError::Superseded(_) => (RefusalCode::Superseded, None),
        ClaimError::NotAllowed(_) => (RefusalCode::NameNotAllowed, None),
        ClaimError::TooManyNames => (RefusalCode::QuotaReached, None),
        ClaimError::NotKept => (RefusalCode::RelayFull, Some(RETRY_FULL_SECS.into())),
        ClaimError::Returning => (RefusalCode::NameTaken, Some(RETURN_WINDOW.as_secs())),
        ClaimError::Full => (RefusalCode::RelayFull, Some(RETRY_FULL_SECS.into())),
    };
    Refused { code, message: error.to_string(), retry_after }
}
