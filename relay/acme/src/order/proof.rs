//! Who shows the proofs of DNS-01 to the world, RFC 8555 §8.4.

use super::hook::Hook;
use crate::dns::{Shown, Values};
use crate::trouble::Trouble;

/// Who shows them.
#[derive(Debug, Clone)]
pub enum Responder {
    /// A [`Server`](crate::dns::Server) of gantz's own, to which the name is delegated.
    Dns(Values),
    /// A command that sets the records at a provider.
    Hook(Hook),
}

/// The proofs of one order.
pub(super) struct Proofs<'a> {
    responder: &'a Responder,
    name: String,
    by_dns: Vec<Shown>,
    by_hook: Vec<String>,
    asked_before: u64,
}

impl<'a> Proofs<'a> {
    pub(super) fn new(responder: &'a Responder, domain: &str) -> Self {
        let asked_before = if let Responder::Dns(values) = responder { values.asked() } else { 0 };
        let name = format!("_acme-challenge.{domain}");
        Self { responder, name, by_dns: Vec::new(), by_hook: Vec::new(), asked_before }
    }

    /// When this returns, `value` is there for everybody.
    pub(super) async fn show(&mut self, value: String) -> Result<(), Trouble> {
        match self.responder {
            Responder::Dns(values) => self.by_dns.push(values.show(&value)),
            Responder::Hook(hook) => {
                // Remembered before it is there: a command that fails may have done half of it.
                self.by_hook.push(value.clone());
                hook.present(&self.name, &value).await?;
            }
        }
        Ok(())
    }

    /// Nobody needs them any more.
    pub(super) async fn clear(&mut self) {
        self.by_dns.clear();
        let Responder::Hook(hook) = self.responder else { return };
        for value in self.by_hook.drain(..) {
            if let Err(error) = hook.clean_up(&self.name, &value).await {
                tracing::warn!(%error, name = self.name, "a record that is not needed any more may be left in DNS");
            }
        }
    }

    /// What the operator may have forgotten, for the end of an error.
    pub(super) fn hint(&self) -> String {
        let Responder::Dns(values) = self.responder else { return String::new() };
        if values.asked() > self.asked_before || self.by_dns.is_empty() {
            return String::new();
        }
        format!(
            ". Nobody has asked this machine's DNS server meanwhile: in DNS, {} needs an NS record that leads here, and \
             port 53 has to be open for UDP and TCP",
            self.name
        )
    }
}
