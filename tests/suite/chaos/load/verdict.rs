//! What is right about a load that has run, whatever the network was.

use std::collections::HashMap;

use super::Server;
use super::tally::{Counts, Tally, Written};

/// What has come of a load.
pub(crate) struct Verdict(Counts);

impl Verdict {
    pub(super) fn of(tally: &Tally, server: &Server) -> Self {
        let mut counts = tally.counts();
        let executed = server.executed();
        counts.faults.extend(misdone(&counts.written, &executed));
        Self(counts)
    }

    /// How often each thing came.
    pub(crate) fn counts(&self) -> &Counts {
        &self.0
    }

    /// No event was lost, doubled or out of order; nothing that writes was carried out twice, or although it was said that
    /// it never would be; whatever failed had an answer of the public table for that, or was reset.
    pub(crate) fn assert_honest(&self) {
        assert!(self.counts().faults.is_empty() && self.counts().unanswered.is_empty(), "{}", self.counts().summary());
    }

    /// Besides, nobody has noticed anything.
    pub(crate) fn assert_unnoticed(&self) {
        self.assert_honest();
        let noticed = self.counts().came.keys().any(|came| !["GET 200", "POST 200"].contains(&came.as_str()));
        assert!(!noticed, "somebody has noticed: {}", self.counts().summary());
    }
}

/// Calls of which the server has done something else than callers were told.
fn misdone<'a>(
    written: &'a HashMap<u64, Written>,
    executed: &'a HashMap<u64, u32>,
) -> impl Iterator<Item = String> + 'a {
    let unknown = executed.keys().filter(|id| !written.contains_key(id)).map(|id| (id, &Written::Never));
    written.iter().chain(unknown).filter_map(|(id, told)| {
        let times = executed.get(id).copied().unwrap_or(0);
        let is_right = match told {
            Written::Once => times == 1,
            Written::Never => times == 0,
            Written::Perhaps => times <= 1,
        };
        (!is_right).then(|| format!("POST {id} was carried out {times} times, and the caller knows: {told:?}"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Written, misdone};

    #[test]
    fn what_was_done_twice_or_against_what_was_said_is_seen() {
        let is_misdone = |told, times| misdone(&HashMap::from([(1, told)]), &HashMap::from([(1, times)])).count() == 1;
        let right = [(Written::Once, 1), (Written::Never, 0), (Written::Perhaps, 0), (Written::Perhaps, 1)];
        assert!(!right.into_iter().any(|(told, times)| is_misdone(told, times)));
        let wrong = [(Written::Once, 0), (Written::Once, 2), (Written::Never, 1), (Written::Perhaps, 2)];
        assert!(wrong.into_iter().all(|(told, times)| is_misdone(told, times)));
    }
}
