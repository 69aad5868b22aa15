//! The account with the certificate authority: the one that is kept, or a new one.

use instant_acme::{Account, NewAccount};

use super::client::Client;
use crate::settings::Settings;
use crate::store::{Kept, Store};
use crate::trouble::Trouble;

/// Opens the account. A new one agrees to the certificate authority's terms of service.
pub(crate) async fn open(settings: &Settings, store: &Store, client: &Client) -> Result<Account, Trouble> {
    let _alone = store.accounts().await;
    open_alone(settings, store, client).await
}

/// A new account in place of one that the certificate authority does not know any more; or the one by which another order
/// has replaced it meanwhile.
pub(super) async fn replace(
    unknown: &Account,
    settings: &Settings,
    store: &Store,
    client: &Client,
) -> Result<Account, Trouble> {
    let _alone = store.accounts().await;
    let kept = open_alone(settings, store, client).await?;
    if kept.id() != unknown.id() {
        return Ok(kept);
    }
    store.set_account_aside()?;
    open_alone(settings, store, client).await
}

async fn open_alone(settings: &Settings, store: &Store, client: &Client) -> Result<Account, Trouble> {
    match store.account()? {
        Kept::Good(credentials) => {
            let builder = Account::builder_with_http(client.boxed());
            return builder.from_credentials(credentials).await.map_err(|error| client.trouble(error));
        }
        Kept::Nothing => {}
        Kept::SetAside(aside, why) => {
            tracing::warn!(%why, aside = %aside.display(), "the kept account cannot be used; a new one is made");
        }
    }
    let contact = settings.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(client.boxed());
    let created = builder.create(&new, settings.directory.clone(), None).await;
    let (account, credentials) = created.map_err(|error| client.trouble(error))?;
    store.keep_account(&credentials).await?;
    tracing::info!(directory = settings.directory, "account made with the certificate authority");
    Ok(account)
}
