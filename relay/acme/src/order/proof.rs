//! Who shows the proofs to the world: RFC 8555 §8.3 and §8.4, RFC 8737.

use instant_acme::{ChallengeType, KeyAuthorization};

use super::hook::Hook;
use crate::challenges::{Http, Shown, TlsAlpn};
use crate::dns::{self, Values};
use crate::trouble::Trouble;

/// Who shows them.
#[derive(Debug, Clone)]
pub enum Responder {
    /// DNS-01: a [`Server`](dns::Server) of gantz's own, to which the name is delegated.
    Dns(Values),
    /// DNS-01: a command that sets the records at a provider.
    Hook(Hook),
    /// TLS-ALPN-01: whoever shakes hands on port 443. For one host, never for a whole domain.
    TlsAlpn(TlsAlpn),
    /// HTTP-01: whoever answers on port 80. For one host, never for a whole domain.
    Http(Http),
}

/// The proofs of one order.
pub(super) struct Proofs<'a> {
    responder: &'a Responder,
    host: String,
    by_dns: Vec<dns::Shown>,
    by_hook: Vec<String>,
    by_relay: Vec<Shown>,
    asked_before: u64,
}

impl<'a> Proofs<'a> {
    pub(super) fn new(responder: &'a Responder, host: &str) -> Self {
        let asked_before = if let Responder::Dns(values) = responder { values.asked() } else { 0 };
        let (by_dns, by_hook, by_relay) = (Vec::new(), Vec::new(), Vec::new());
        Self { responder, host: host.to_owned(), by_dns, by_hook, by_relay, asked_before }
    }

    /// What is asked for.
    pub(super) fn challenge(&self) -> ChallengeType {
        match self.responder {
            Responder::Dns(_) | Responder::Hook(_) => ChallengeType::Dns01,
            Responder::TlsAlpn(_) => ChallengeType::TlsAlpn01,
            Responder::Http(_) => ChallengeType::Http01,
        }
    }

    /// What people call it.
    pub(super) fn name(&self) -> &'static str {
        match self.responder {
            Responder::Dns(_) | Responder::Hook(_) => "DNS-01",
            Responder::TlsAlpn(_) => "TLS-ALPN-01",
            Responder::Http(_) => "HTTP-01",
        }
    }

    /// When this returns, the proof is there for everybody.
    pub(super) async fn show(&mut self, token: &str, authorization: &KeyAuthorization) -> Result<(), Trouble> {
        match self.responder {
            Responder::Dns(values) => self.by_dns.push(values.show(&authorization.dns_value())),
            Responder::Hook(hook) => {
                // Remembered before it is there: a command that fails may have done half of it.
                let value = authorization.dns_value();
                self.by_hook.push(value.clone());
                hook.present(&self.record(), &value).await?;
            }
            Responder::TlsAlpn(open) => {
                let shown = open.show(&self.host, authorization.digest().as_ref());
                self.by_relay.push(shown.map_err(|why| Trouble::Refused(format!("no proof can be made: {why}")))?);
            }
            Responder::Http(open) => self.by_relay.push(open.show(&self.host, token, authorization.as_str())),
        }
        Ok(())
    }

    /// Nobody needs them any more.
    pub(super) async fn clear(&mut self) {
        self.by_dns.clear();
        self.by_relay.clear();
        let Responder::Hook(hook) = self.responder else { return };
        let name = self.record();
        for value in self.by_hook.drain(..) {
            if let Err(error) = hook.clean_up(&name, &value).await {
                tracing::warn!(%error, name, "a record that is not needed any more may be left in DNS");
            }
        }
    }

    /// What the operator may have forgotten, for the end of an error.
    pub(super) fn hint(&self) -> String {
        match self.responder {
            Responder::Dns(values) if values.asked() <= self.asked_before && !self.by_dns.is_empty() => format!(
                ". Nobody has asked this machine's DNS server meanwhile: in DNS, {} needs an NS record that leads here, \
                 and port 53 has to be open for UDP and TCP",
                self.record()
            ),
            Responder::TlsAlpn(_) => self.not_asked(443),
            Responder::Http(_) => self.not_asked(80),
            Responder::Dns(_) | Responder::Hook(_) => String::new(),
        }
    }

    fn not_asked(&self, port: u16) -> String {
        if self.by_relay.is_empty() || self.by_relay.iter().any(Shown::was_asked) {
            return String::new();
        }
        let host = &self.host;
        format!(
            ". Nobody has come to this relay for the proof meanwhile: in DNS, {host} has to lead here with every A and \
             AAAA record, and what comes to its TCP port {port} has to arrive here as it is"
        )
    }

    fn record(&self) -> String {
        format!("_acme-challenge.{}", self.host)
    }
}
