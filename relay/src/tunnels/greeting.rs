//! The agent's first message and the relay's answer to it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gantz_shared::control::{self, ControlError, FromAgent, FromRelay, Hello, RefusalCode, Refused, Secret, Welcome};
use gantz_shared::name::Name;
use gantz_shared::reset::CloseCode;
use gantz_transport::Connection;
use gantz_transport::control::{ControlReceiver, ControlSender, Error};

use super::ticket::key_digest;
use super::{Greeter, KeyDigest, Tunnel};
use crate::audit::Event;
use crate::config::RETURN_WINDOW;
use crate::directory::{ClaimError, Departure, Right};
use crate::sources::Place;

/// Seconds after which an agent may try again where the relay was full.
const RETRY_FULL_SECS: u32 = 60;

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
        match self.claim(connection, place, &hello) {
            Ok((tunnel, right)) => {
                let claim = Claim { greeter: self, tunnel: &tunnel, right, is_welcome: false };
                let name = tunnel.name().clone();
                let welcome = Welcome {
                    url: self.origin.replace('*', name.as_str()),
                    resume: self.tickets.issue(&name, tunnel.claimed(), tunnel.access_key()),
                    relay: concat!("gantz-relay/", env!("CARGO_PKG_VERSION")).to_owned(),
                    limits: control::Limits { max_body: self.limits.body },
                    lives: tunnel.lives(),
                    name,
                };
                tracing::info!(name = %tunnel.name(), agent = ?agent, peer = %connection.remote_address(), open = hello.policy.open, "tunnel opened");
                sender.send(&FromRelay::Welcome(welcome)).await?;
                claim.keep();
                self.audit.write(&Event::TunnelOpened {
                    name: tunnel.name().as_str(),
                    peer: connection.remote_address(),
                    agent: &agent,
                    open: tunnel.is_open(),
                    tokens: hello.policy.tokens.len(),
                });
                Ok(Some(tunnel))
            }
            Err(refused) => {
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

    fn claim(
        &self,
        connection: &Connection,
        place: Option<&Place>,
        hello: &Hello,
    ) -> Result<(Arc<Tunnel>, Right), Refused> {
        hello.policy.check().map_err(|error| refused(RefusalCode::InvalidHello, error.to_string()))?;
        if place.is_none() {
            let message = "this address has as many tunnels as one may have".to_owned();
            let retry_after = Some(RETRY_FULL_SECS.into());
            return Err(Refused { code: RefusalCode::RelayFull, message, retry_after });
        }
        let access_key = key_digest(hello.access_key.as_ref());
        let claim = |name: (Name, u64), right| {
            let (connection, policy) = (connection.clone(), hello.policy.clone());
            let tunnel =
                Tunnel::new(name, access_key, connection, policy, &self.unread, &self.rates, self.limits.requests);
            self.directory.claim(&tunnel, right).map(|ghost| {
                // An agent that moves closes it itself, when what was begun there has ended.
                if let Some(ghost) = ghost.filter(|_| !hello.moves) {
                    ghost.close(CloseCode::Replaced, "the same agent opened a newer tunnel of this name");
                }
                (tunnel, right)
            })
        };
        let resumed = hello.resume.as_ref().and_then(|ticket| self.redeem(ticket, &access_key, hello));
        if let Some(name) = resumed {
            match claim(name, Right::Ticket) {
                // Somebody else has it since. Who wishes for no name gets another one.
                Err(ClaimError::Taken(_) | ClaimError::Kept { .. }) if hello.wanted_name.is_none() => {}
                claimed => return claimed.map_err(|error| unclaimed(&error)),
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        if let Some(wanted) = &hello.wanted_name {
            let name = Name::parse(wanted).map_err(|error| refused(RefusalCode::InvalidName, error.to_string()))?;
            return claim((name, now), Right::First).map_err(|error| unclaimed(&error));
        }
        let mut last = ClaimError::Full;
        for _ in 0..RANDOM_TRIES {
            match claim((Name::random(&mut rand::rng()), now), Right::Fresh) {
                Ok(claimed) => return Ok(claimed),
                Err(error @ ClaimError::Full) => return Err(unclaimed(&error)),
                Err(error) => last = error,
            }
        }
        Err(unclaimed(&last))
    }

    /// The name of the agent's ticket, unless the agent now wishes for another one.
    fn redeem(&self, ticket: &Secret, access_key: &KeyDigest, hello: &Hello) -> Option<(Name, u64)> {
        let (name, claimed) = self.tickets.redeem(ticket, access_key)?;
        let wishes_otherwise =
            hello.wanted_name.as_deref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(name.as_str()));
        (!wishes_otherwise).then_some((name, claimed))
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

fn unclaimed(error: &ClaimError) -> Refused {
    let (code, retry_after) = match error {
        ClaimError::Taken(_) | ClaimError::Kept { .. } | ClaimError::Drawn(_) => (RefusalCode::NameTaken, None),
        ClaimError::Returning => (RefusalCode::NameTaken, Some(RETURN_WINDOW.as_secs())),
        ClaimError::Full => (RefusalCode::RelayFull, Some(RETRY_FULL_SECS.into())),
    };
    Refused { code, message: error.to_string(), retry_after }
}
