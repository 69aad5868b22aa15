//! Who has claimed which name last, over restarts, where no access keys say whose a name is. Without it whoever had a name
//! before could come back for it when the relay was started again, and would get the calls, and the tokens, of its present
//! holder's callers until that is back.

mod journal;
mod known;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_shared::name::Name;

use self::journal::Journal;
use self::known::Known;
use crate::state::{self, StateError};

/// In the state folder.
const FILE: &str = "names.log";

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Claims {
    known: Arc<Mutex<Known>>,
    journal: Journal,
}

impl Claims {
    /// Those of the state folder `dir`.
    pub(crate) fn load(dir: &Path) -> Result<Self, StateError> {
        let path = dir.join(FILE);
        let (known, lines) = Known::read(&state::read(&path)?.unwrap_or_default());
        let known = Arc::new(Mutex::new(known));
        let journal = Journal::start(&path, known.clone(), lines)?;
        Ok(Self { known, journal })
    }

    /// When `name` was claimed last, milliseconds since 1970.
    pub(super) fn last(&self, name: &Name) -> Option<u64> {
        lock(&self.known).last(name)
    }

    /// `name` is claimed from `network`. That is on the disk when it [is written](Self::written).
    pub(super) fn note(&self, name: &Name, claimed: u64, network: IpAddr) {
        // Under the lock, so that of two claims the later one is the later line.
        let mut known = lock(&self.known);
        if let Some(line) = known.note(name, claimed, network) {
            self.journal.append(line);
        }
    }

    /// Waits until what was noted before is on the disk, or was told not to get there. Cancel-safe.
    pub(super) async fn written(&self) {
        self.journal.written().await;
    }
}

// A poisoned lock is used all the same: what is under it is changed in one step, or forgets a name at worst.
fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::*;

    const NETWORK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn name(number: usize) -> Name {
        Name::parse(&format!("name-{number}")).unwrap()
    }

    #[tokio::test]
    async fn what_is_written_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let load = || Claims::load(folder.path()).unwrap();
        let claims = load();
        assert_eq!(claims.last(&name(1)), None);
        for (number, claimed) in [(1, 7), (1, 9), (2, 8)] {
            claims.note(&name(number), claimed, NETWORK);
        }
        claims.written().await;
        // Another process reads it while this one runs, as after a crash.
        assert_eq!((load().last(&name(1)), load().last(&name(2))), (Some(9), Some(8)));
        drop(claims);
        // A crash in the middle of a line.
        OpenOptions::new().append(true).open(folder.path().join(FILE)).unwrap().write_all(b"12").unwrap();
        let again = load();
        again.note(&name(3), 10, NETWORK);
        again.written().await;
        assert_eq!([1, 2, 3].map(|number| load().last(&name(number))), [Some(9), Some(8), Some(10)]);
    }

    #[tokio::test]
    async fn what_a_full_disk_did_not_take_is_written_when_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::load(folder.path()).unwrap();
        // In the way of the file, however it is written.
        fs::create_dir(folder.path().join(FILE)).unwrap();
        claims.note(&name(1), 7, NETWORK);
        claims.written().await;
        assert_eq!(claims.last(&name(1)), Some(7), "nobody is stopped");
        fs::remove_dir(folder.path().join(FILE)).unwrap();
        claims.note(&name(2), 8, NETWORK);
        claims.written().await;
        let again = Claims::load(folder.path()).unwrap();
        assert_eq!([1, 2].map(|number| again.last(&name(number))), [Some(7), Some(8)]);
    }

    #[tokio::test]
    async fn the_file_stays_short() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::load(folder.path()).unwrap();
        let times = journal::MAX_LINES + 10;
        for time in 0..times {
            claims.note(&name(time % 2), time as u64, NETWORK);
        }
        claims.written().await;
        claims.note(&name(2), 1, NETWORK);
        claims.written().await;
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(text.lines().count() < 20, "{}", text.lines().count());
        let again = Claims::load(folder.path()).unwrap();
        assert_eq!(again.last(&name((times - 1) % 2)), Some(times as u64 - 1));
    }
}
