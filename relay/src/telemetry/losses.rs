//! Spans that did not get to the collector: counted, and told once in a while.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::limits::COMPLAINTS;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Losses(Mutex<Lost>);

#[derive(Debug, Default)]
struct Lost {
    /// That have not been told yet.
    spans: usize,
    told: Option<Instant>,
    /// What the last try to reach the collector ended with.
    why: Option<String>,
}

impl Losses {
    /// A try to reach the collector has failed. There may be another one for the same spans.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) {
        let (mut why, mut cause) = (error.to_string(), error.source());
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            cause = error.source();
        }
        self.lock().why = Some(why);
    }

    /// So many are lost. The first of them are told at once.
    pub(super) fn add(&self, spans: usize) {
        let mut lost = self.lock();
        lost.spans = lost.spans.saturating_add(spans);
        if lost.told.is_none_or(|told| told.elapsed() >= COMPLAINTS) {
            lost.told = Some(Instant::now());
            lost.tell();
        }
    }

    /// Tells what is left to be told: the relay ends.
    pub(super) fn end(&self) {
        let mut lost = self.lock();
        if lost.spans > 0 {
            lost.tell();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lost> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lost {
    fn tell(&mut self) {
        let why = self.why.take().unwrap_or_else(|| "it is slower than they come".to_owned());
        tracing::warn!(spans = self.spans, why, "spans are lost: the collector does not take them");
        self.spans = 0;
    }
}
