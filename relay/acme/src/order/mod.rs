//! One order: account, proofs, certificate.

mod account;
mod client;
mod hook;
mod proof;

use std::sync::Arc;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::crypto::CryptoProvider;

pub use hook::Hook;
pub use proof::Responder;

use crate::limits::{DECISION_DEADLINE, DECISION_FIRST_LOOK};
use crate::names::Place;
use crate::settings::Settings;
use crate::store::{Pem, Store};
use crate::trouble::Trouble;
pub(crate) use account::open as open_account;
pub(crate) use client::Client;
use proof::Proofs;

const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(DECISION_FIRST_LOOK).backoff(2.0).timeout(DECISION_DEADLINE);

/// The only place of this crate that chooses a crypto provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Orders a certificate, in place of `replaces` where there is one to name. A `place` is spent on it.
///
/// Dropped before its end, it leaves behind an order that the certificate authority forgets, and with a hook the records
/// that it has set.
pub(crate) async fn issue(
    settings: &Settings,
    store: &Store,
    client: &Client,
    responder: &Responder,
    replaces: Option<CertificateIdentifier<'static>>,
    place: Option<Place>,
) -> Result<Pem, Trouble> {
    store.has_room().await?;
    let account = account::open(settings, store, client).await?;
    let order = match begin(&account, settings, replaces).await {
        // It has lost its accounts, as those for trying out do.
        Err(error) if is_problem(&error, "accountDoesNotExist") => {
            let account = account::replace(&account, settings, store, client).await?;
            begin(&account, settings, None).await
        }
        result => result,
    };
    let mut order = order.map_err(|error| client.trouble(error))?;
    let mut proofs = Proofs::new(responder, settings.subject.host());
    let proven = prove(&mut order, client, &mut proofs).await;
    // Before anything else, so that a proof is not left behind.
    proofs.clear().await;
    proven?;
    // Before it is asked for: what is issued is counted elsewhere, too, whether its answer arrives here or not.
    if let Some(place) = place {
        place.spend().await?;
    }
    finish(&mut order, settings, client).await
}

/// What is said of `replaces` is a courtesy: an order that is not taken with it is made without. An earlier one that came
/// to nothing may have used it up (RFC 9773 §5), or the certificate authority does not say it back.
async fn begin(
    account: &Account,
    settings: &Settings,
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<Order, instant_acme::Error> {
    let names: Vec<_> = settings.subject.names().into_iter().map(Identifier::Dns).collect();
    let order = NewOrder::new(&names);
    let Some(replaces) = replaces else { return account.new_order(&order).await };
    match account.new_order(&NewOrder::new(&names).replaces(replaces)).await {
        Err(error) if is_problem(&error, "alreadyReplaced") || matches!(error, instant_acme::Error::Other(_)) => {
            tracing::debug!(%error, "ordered again, as if it replaced nothing");
            account.new_order(&order).await
        }
        result => result,
    }
}

/// Shows every proof, then says so of each, then waits: with a hook that takes minutes the first would be looked at
/// while the second is not there yet.
async fn prove(order: &mut Order, client: &Client, proofs: &mut Proofs<'_>) -> Result<(), Trouble> {
    let trouble = |error| client.trouble(error);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(trouble)?;
        match authorization.status {
            // Proven by an order before.
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(Trouble::Refused(format!("an authorization is {status:?} before it was tried"))),
        }
        let Some(challenge) = authorization.challenge(proofs.challenge()) else {
            return Err(Trouble::Refused(format!("it does not offer {}", proofs.name())));
        };
        proofs.show(&challenge.token, &challenge.key_authorization()).await?;
    }
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(trouble)?;
        if authorization.status == AuthorizationStatus::Pending
            && let Some(mut challenge) = authorization.challenge(proofs.challenge())
        {
            challenge.set_ready().await.map_err(trouble)?;
        }
    }
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid | OrderStatus::Processing) => Ok(()),
        Ok(_) => Err(Trouble::Refused(format!("{}{}", reasons(order).await, proofs.hint()))),
        Err(error) => match trouble(error) {
            Trouble::Refused(why) => Err(Trouble::Refused(format!("{why}{}", proofs.hint()))),
            trouble => Err(trouble),
        },
    }
}

/// What it found wrong with the proofs. The order itself does not say.
async fn reasons(order: &mut Order) -> String {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await {
            let name = state.identifier().to_string();
            let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            reasons.extend(problems.map(|problem| format!("{name}: {}", client::told(problem))));
        }
    }
    if reasons.is_empty() { "it does not take the proofs, and does not say why".into() } else { reasons.join("; ") }
}

async fn finish(order: &mut Order, settings: &Settings, client: &Client) -> Result<Pem, Trouble> {
    let (key, request) = signing_request(settings).map_err(|error| Trouble::Refused(error.to_string()))?;
    order.finalize_csr(&request).await.map_err(|error| client.trouble(error))?;
    let chain = order.poll_certificate(&PATIENCE).await.map_err(|error| client.trouble(error))?;
    Ok(Pem::new(&key, &chain))
}

/// A fresh key, and what asks for a certificate for it (RFC 2986).
fn signing_request(settings: &Settings) -> Result<(String, Vec<u8>), rcgen::Error> {
    let mut params = CertificateParams::new(settings.subject.names())?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    let request = params.serialize_request(&key)?;
    Ok((key.serialize_pem(), request.der().to_vec()))
}

fn is_problem(error: &instant_acme::Error, name: &str) -> bool {
    let instant_acme::Error::Api(problem) = error else { return false };
    client::kind(problem) == Some(name)
}
