//! What the zone's TXT records say at the moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The values of the TXT records. Clones are of the same records.
#[derive(Debug, Clone)]
pub struct Values(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    records: Mutex<Records>,
    asked: AtomicU64,
}

#[derive(Debug)]
struct Records {
    /// Of the SOA record.
    serial: u32,
    shown: Vec<(u64, String)>,
    next: u64,
}

/// A value that is shown until this is dropped.
#[derive(Debug)]
#[must_use = "dropped, it is shown no longer"]
pub struct Shown {
    values: Values,
    number: u64,
}

impl Values {
    pub(super) fn new() -> Self {
        // Seconds, so that a server that was restarted has a later serial than before.
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let serial = u32::try_from(seconds & u64::from(u32::MAX)).unwrap_or(0);
        let records = Mutex::new(Records { serial, shown: Vec::new(), next: 0 });
        Self(Arc::new(Inner { records, asked: AtomicU64::new(0) }))
    }

    /// Answers with `value`, too, from now on. An apex and its wildcard need one each at the same name.
    pub fn show(&self, value: &str) -> Shown {
        let mut records = self.records();
        let number = records.next;
        records.next += 1;
        records.shown.push((number, value.to_owned()));
        records.serial = records.serial.wrapping_add(1);
        Shown { values: self.clone(), number }
    }

    /// How many questions for the TXT records have come so far. When none came while a certificate was ordered, the
    /// delegation does not lead here.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    pub(super) fn read_as_asked(&self) -> Vec<String> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        self.records().shown.iter().map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn serial(&self) -> u32 {
        self.records().serial
    }

    fn records(&self) -> std::sync::MutexGuard<'_, Records> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut records = self.values.records();
        records.shown.retain(|(number, _)| *number != self.number);
        records.serial = records.serial.wrapping_add(1);
    }
}
