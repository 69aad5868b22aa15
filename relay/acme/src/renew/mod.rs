//! Looks after a certificate: the first one, its renewal, and what is tried again.

mod back_off;
mod due;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

pub use back_off::Pace;
use due::{Due, Window};

use crate::certificate::Certificate;
use crate::limits::{CLOCK_LOOK, RENEWAL_INFO_EVERY, RENEWAL_INFO_RETRY};
use crate::names::Turn;
use crate::order::{self, Client, Responder};
use crate::settings::Settings;
use crate::store::{Kept, Pem, Store, StoreError};
use crate::subject::Subject;
use crate::trouble::Trouble;

/// How things are.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct State {
    /// The certificate to use: the last one that was issued, even where it has expired. `None` before the first.
    pub certificate: Option<Arc<Certificate>>,
    /// Why the last try failed; `None` after one that did not.
    pub trouble: Option<Arc<Trouble>>,
    /// How many have failed in a row.
    pub failures: u32,
}

/// Why a keeper cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The state folder does not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificate authority's own server would not be trusted.
    #[error("cannot trust the certificate authority's server: {0}")]
    Trust(String),
}

/// Looks after one certificate.
pub struct Keeper {
    settings: Settings,
    store: Store,
    client: Client,
    responder: Responder,
    state: watch::Sender<State>,
    due: Option<Due>,
    ask_window_at: Instant,
    /// Nothing is ordered before this.
    not_before: Instant,
    /// A certificate in use that is not on the disk.
    unkept: Option<Pem>,
    /// Of a name: among the others. Without one there is nobody to wait for.
    turn: Option<Turn>,
}

impl Keeper {
    /// Takes what is kept, without asking anybody. A certificate that has expired is taken, too: it is the next thing to
    /// be renewed.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(settings: Settings, responder: Responder) -> Result<(Self, watch::Receiver<State>), OpenError> {
        let store = Store::open(&settings)?;
        let client = Client::new(&settings.trust).map_err(OpenError::Trust)?;
        let kept = match store.certificate()? {
            Kept::Good(certificate) => Some(certificate),
            Kept::Nothing => None,
            Kept::SetAside(aside, why) => {
                tracing::warn!(%why, aside = %aside.display(), "the kept certificate cannot be used; a new one is ordered");
                None
            }
        };
        let (state, receiver) = watch::channel(State { certificate: kept.map(Arc::new), ..State::default() });
        Ok((Self::with(settings, store, client, responder, state), receiver))
    }

    fn with(
        settings: Settings,
        store: Store,
        client: Client,
        responder: Responder,
        state: watch::Sender<State>,
    ) -> Self {
        let due = state.borrow().certificate.as_ref().map(|certificate| Due::of(certificate, rand::random()));
        let now = Instant::now();
        let (ask_window_at, not_before, unkept, turn) = (now, now, None, None);
        Self { settings, store, client, responder, state, due, ask_window_at, not_before, unkept, turn }
    }

    /// One for a name, with the same account, that goes on with this state.
    pub(crate) fn of_name(&self, host: &str, state: watch::Sender<State>, turn: Turn) -> Self {
        let settings = Settings { subject: Subject::Host(host.to_owned()), ..self.settings.clone() };
        let (store, client, responder) = (self.store.of_name(host), self.client.another(), self.responder.clone());
        Self { turn: Some(turn), ..Self::with(settings, store, client, responder, state) }
    }

    /// One that has no certificate, to make others of.
    pub(crate) fn pattern(&self) -> Self {
        let (settings, store) = (self.settings.clone(), self.store.clone());
        let state = watch::Sender::new(State::default());
        Self::with(settings, store, self.client.another(), self.responder.clone(), state)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.settings.subject
    }

    /// Orders and renews; returns only when the certificate is a name's that nobody holds any more. May be dropped at any
    /// time, see there for what an order leaves behind.
    pub async fn run(mut self) {
        while self.until_due().await {
            let tried = Box::pin(self.order()).await;
            if let Some(turn) = &self.turn {
                turn.told(tried.as_ref().err(), &self.settings.pace);
            }
            if let Err(trouble) = tried {
                let wait = self.fail(trouble);
                sleep(wait).await;
            }
        }
    }

    async fn order(&mut self) -> Result<(), Trouble> {
        // The certificate authority counts new names and not their renewals, even where the old one has expired.
        let (_at_once, place) = match &self.turn {
            Some(turn) => turn.take(self.certificate().is_none()).await?,
            None => (None, None),
        };
        if !self.is_wanted() {
            return Ok(());
        }
        let replaces = self.replaces();
        tracing::info!(
            directory = self.settings.directory,
            host = self.settings.subject.host(),
            "ordering a certificate"
        );
        let pem = order::issue(&self.settings, &self.store, &self.client, &self.responder, replaces, place).await?;
        self.adopt(pem).await
    }

    fn is_wanted(&self) -> bool {
        self.turn.as_ref().is_none_or(Turn::is_wanted)
    }

    /// Waits until a certificate has to be ordered. `false`: nobody wants it any more.
    async fn until_due(&mut self) -> bool {
        while self.is_wanted()
            && let Some(certificate) = self.certificate()
            && let Some(due) = self.due
        {
            if self.ask_window_at <= Instant::now() {
                self.ask_window(&certificate).await;
                continue;
            }
            let left = Duration::try_from(due.at() - OffsetDateTime::now_utc()).unwrap_or(Duration::ZERO);
            let left = left.max(self.not_before.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return true;
            }
            self.keep().await;
            let look = Instant::now() + left.min(CLOCK_LOOK);
            sleep_until(look.min(self.ask_window_at)).await;
        }
        self.is_wanted()
    }

    /// Asks when the certificate authority wants a renewal. It need not know: two thirds of the life do.
    async fn ask_window(&mut self, certificate: &Certificate) {
        let next = match self.window(certificate).await {
            Ok((window, again)) => {
                if let Some(due) = &mut self.due {
                    due.suggest(window, rand::random());
                }
                again.clamp(RENEWAL_INFO_EVERY.0, RENEWAL_INFO_EVERY.1)
            }
            Err(why) => {
                tracing::debug!(why, "the certificate authority does not say when to renew");
                RENEWAL_INFO_RETRY
            }
        };
        self.ask_window_at = Instant::now() + next;
    }

    async fn window(&self, certificate: &Certificate) -> Result<(Window, Duration), String> {
        let identifier = certificate.identifier().ok_or("the certificate has no identifier")?;
        let account = order::open_account(&self.settings, &self.store, &self.client).await;
        let account = account.map_err(|trouble| trouble.to_string())?;
        let (info, again) = account.renewal_info(&identifier).await.map_err(|error| error.to_string())?;
        Ok((Window { start: info.suggested_window.start, end: info.suggested_window.end }, again))
    }

    fn replaces(&self) -> Option<instant_acme::CertificateIdentifier<'static>> {
        // Only one that answers for renewals takes the field, RFC 9773 §5.
        self.due.filter(Due::is_suggested)?;
        self.certificate()?.identifier()
    }

    /// Keeps a new certificate and puts it into use, kept or not: one that cannot be kept is better than none.
    async fn adopt(&mut self, pem: Pem) -> Result<(), Trouble> {
        let certificate = Arc::new(pem.certificate(&self.settings.subject)?);
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        tracing::info!(names = self.settings.subject.names().join(", "), %not_after, "certificate issued");
        self.due = Some(Due::of(&certificate, rand::random()));
        self.ask_window_at = Instant::now();
        let life = Duration::try_from(not_after - not_before).unwrap_or(Duration::ZERO);
        self.not_before = Instant::now() + self.settings.pace.between.min(life / 4);
        let kept = self.store.keep_certificate(&pem).await;
        if let Err(error) = &kept {
            tracing::warn!(%error, "the certificate is in use, and cannot be kept for the next start");
            self.unkept = Some(pem);
        } else {
            self.unkept = None;
        }
        let is_valid = certificate.is_valid_at(OffsetDateTime::now_utc());
        self.state.send_modify(|state| {
            state.certificate = Some(certificate);
            state.trouble = kept.err().map(|error| Arc::new(Trouble::Store(error)));
            if is_valid {
                state.failures = 0;
            }
        });
        if is_valid { Ok(()) } else { Err(Trouble::Clock { not_before, not_after }) }
    }

    /// Keeps what could not be kept before.
    async fn keep(&mut self) {
        let Some(pem) = &self.unkept else { return };
        match self.store.keep_certificate(pem).await {
            Ok(()) => {
                tracing::info!("the certificate is kept now");
                self.unkept = None;
                self.state.send_modify(|state| state.trouble = None);
            }
            // Told when it was new.
            Err(error) => tracing::debug!(%error, "the certificate still cannot be kept"),
        }
    }

    /// How long to wait before the next try.
    fn fail(&mut self, trouble: Trouble) -> Duration {
        // The certificate authority was not even asked.
        let is_failure = !matches!(trouble, Trouble::NamesPerWeek { .. });
        let failures = self.state.borrow().failures.saturating_add(u32::from(is_failure));
        let certificate = self.certificate();
        let left = certificate.as_ref().map(|certificate| {
            Duration::try_from(certificate.not_after() - OffsetDateTime::now_utc()).unwrap_or(Duration::ZERO)
        });
        let wait = self.settings.pace.wait(&trouble, failures, left, SystemTime::now(), rand::random());
        let (again, host) = (humane(wait), self.settings.subject.host());
        match &certificate {
            // It is told of all names together.
            None if !is_failure => tracing::debug!(host, error = %trouble, again, "no certificate"),
            None => tracing::error!(host, error = %trouble, again, "no certificate"),
            Some(certificate) if left.is_some_and(|left| left.is_zero()) => {
                tracing::error!(host, error = %trouble, again, expired = %certificate.not_after(), "certificate not renewed");
            }
            Some(certificate) => {
                tracing::warn!(host, error = %trouble, again, expires = %certificate.not_after(), "certificate not renewed");
            }
        }
        self.state.send_modify(|state| {
            state.trouble = Some(Arc::new(trouble));
            state.failures = failures;
        });
        wait
    }

    fn certificate(&self) -> Option<Arc<Certificate>> {
        self.state.borrow().certificate.clone()
    }
}

/// To the second.
fn humane(wait: Duration) -> String {
    format!("in {} s", wait.as_secs().max(1))
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("subject", &self.settings.subject).finish_non_exhaustive()
    }
}
