//! What has come so far of everything that was asked.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Display, Write};
use std::sync::Mutex;

/// How much of what is wrong is told: what comes behind it is mostly the same.
const TOLD: usize = 20;

/// What is known of a call that must not be carried out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// The server has said that it was.
    Once,
    /// gantz has said that the server never heard of it.
    Never,
    /// It may have been.
    Perhaps,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

/// Everything of it.
#[derive(Default, Clone)]
pub(crate) struct Counts {
    /// How often what has come, such as `POST 502 tunnel_lost`.
    pub(crate) came: BTreeMap<String, u64>,
    /// How often a call had no answer of HTTP at all, and of which kind.
    pub(crate) unanswered: BTreeMap<String, u64>,
    /// What must not be.
    pub(crate) faults: Vec<String>,
    pub(crate) written: HashMap<u64, Written>,
}

impl Tally {
    pub(super) fn count(&self, what: &str) {
        *self.0.lock().unwrap().came.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn unanswered(&self, what: &str, error: &dyn std::error::Error) {
        let mut causes = String::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = write!(causes, ": {error}");
            cause = error.source();
        }
        *self.0.lock().unwrap().unanswered.entry(format!("{what}{causes}")).or_default() += 1;
    }

    pub(super) fn fault(&self, fault: impl Display) {
        self.0.lock().unwrap().faults.push(fault.to_string());
    }

    pub(super) fn written(&self, id: u64, written: Written) {
        self.0.lock().unwrap().written.insert(id, written);
    }

    pub(super) fn counts(&self) -> Counts {
        self.0.lock().unwrap().clone()
    }

    /// For the message of a failure.
    pub(super) fn summary(&self) -> String {
        self.counts().summary()
    }
}

impl Counts {
    /// For the message of a failure.
    pub(crate) fn summary(&self) -> String {
        let faults: Vec<_> = self.faults.iter().take(TOLD).collect();
        let (came, unanswered, all) = (&self.came, &self.unanswered, self.faults.len());
        format!("came {came:?}, without an answer {unanswered:?}, {all} faults: {faults:#?}")
    }
}
