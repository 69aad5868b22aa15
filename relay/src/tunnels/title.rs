//! By what a tunnel holds its name, and which of two agents that show tickets for one holds it rightly: the one with the
//! newer ticket, as each opening gives a new one. An agent that was away, and finds that another one has gone on with a
//! copy of its ticket, does not fight for the name.

use gantz_shared::control::Run;
use gantz_shared::name::Name;

/// See the module's head. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) name: Name,
    /// When its holder first claimed the name: the same for all that the holder opens with its tickets.
    pub(crate) claimed: u64,
    /// When the ticket was issued that it was opened with; `claimed` where there was none.
    pub(crate) shown: u64,
    /// When the tickets are issued that it gives: later than that.
    pub(crate) issued: u64,
    /// Which run of which agent it is, where that says so.
    pub(crate) run: Option<Run>,
    /// As `claimed`, before the name had become free: tickets of before are still its own.
    pub(crate) was: u64,
    /// Which run had the name before it, and so the ticket that was shown, where that is known.
    pub(crate) predecessor: Option<String>,
}

/// How a title stands to that of the name's holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The name is its own.
    Rightful,
    /// The same holder has gone on with a newer ticket, or has opened something newer.
    Superseded,
    /// Somebody else has claimed the name since.
    Stranger,
}

impl Title {
    /// Of a name that is claimed at `now`.
    pub(crate) fn claimed(name: Name, now: u64, run: Option<Run>) -> Self {
        Self { name, claimed: now, shown: now, issued: now, run, was: now, predecessor: None }
    }

    /// Of a ticket that was issued at `shown`, and is redeemed at `now`.
    pub(crate) fn resumed(name: Name, claimed: u64, shown: u64, now: u64, run: Option<Run>) -> Self {
        let issued = now.max(shown.saturating_add(1));
        Self { name, claimed, shown, issued, run, was: claimed, predecessor: None }
    }

    fn run_id(&self) -> Option<&str> {
        self.run.as_ref().map(|run| &*run.id)
    }

    /// Whether both are of one run.
    pub(crate) fn is_of_the_run_of(&self, other: &Self) -> bool {
        self.run_id().is_some() && self.run_id() == other.run_id()
    }

    /// Goes on with what the same holder has claimed since its ticket was issued: shown once more, that would make the claim
    /// an earlier one.
    pub(crate) fn inherit(&mut self, holder: &Self) {
        if self.claimed < holder.claimed && (self.claimed == holder.was || self.is_of_the_run_of(holder)) {
            self.was = self.claimed;
            self.claimed = holder.claimed;
            self.issued = self.issued.max(holder.claimed);
        }
    }

    /// Which of both is older is asked by the tickets that were shown, too: after a restart of the relay whoever comes
    /// first holds the name, until somebody comes with a newer one. With the same ticket comes the ghost that it was given
    /// to, or an agent that crashed, or was cut off, before it had kept its newer one: that is a run that nobody knows.
    pub(crate) fn against(&self, holder: &Self) -> Standing {
        if let (Some(run), Some(holders)) = (&self.run, &holder.run)
            && run.id == holders.id
        {
            return if run.opening < holders.opening { Standing::Superseded } else { Standing::Rightful };
        }
        if self.claimed != holder.claimed && self.claimed != holder.was {
            return if self.claimed > holder.claimed { Standing::Rightful } else { Standing::Stranger };
        }
        let is_ghost = self.run_id().is_none() || self.run_id() == holder.predecessor.as_deref();
        if self.shown >= holder.issued || self.shown > holder.shown || (self.shown == holder.shown && !is_ghost) {
            Standing::Rightful
        } else {
            Standing::Superseded
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(shown: u64, now: u64, run: &str) -> Title {
        Title::resumed(Name::parse("my-tools").unwrap(), 1, shown, now, Some(Run { id: run.to_owned(), opening: 1 }))
    }

    #[test]
    fn the_newer_ticket_holds() {
        let first = resumed(1, 10, "a");
        let copy = Title { predecessor: Some("a".to_owned()), ..resumed(first.issued, 20, "b") };
        assert_eq!(copy.against(&first), Standing::Rightful, "whoever shows what was given last");
        assert_eq!(resumed(10, 30, "a").against(&copy), Standing::Superseded, "the ghost");
        assert_eq!(resumed(10, 30, "b").against(&copy), Standing::Rightful, "a run that comes back is no ghost");
        assert_eq!(
            resumed(10, 30, "c").against(&copy),
            Standing::Rightful,
            "b may have crashed before it kept its own"
        );
        assert_eq!(resumed(9, 30, "c").against(&copy), Standing::Superseded, "an older one nobody crashed with");
        let ghost = resumed(10, 40, "a");
        assert_eq!(resumed(20, 50, "b").against(&ghost), Standing::Rightful, "a ghost that came first after a restart");
        assert_eq!(ghost.against(&resumed(20, 50, "b")), Standing::Superseded);
    }

    #[test]
    fn a_ticket_that_is_shown_twice_does_not_make_the_claim_an_earlier_one() {
        let holder = Title { claimed: 20, ..resumed(1, 20, "a") };
        let mut again = resumed(1, 30, "b");
        again.inherit(&holder);
        assert_eq!((again.claimed, again.was), (20, 1));
        let between = Title { claimed: 15, was: 15, ..resumed(15, 40, "c") };
        assert_eq!(between.against(&again), Standing::Stranger);
        let mut other = Title { claimed: 7, was: 7, ..resumed(7, 30, "d") };
        other.inherit(&holder);
        assert_eq!(other.claimed, 7);
    }

    #[test]
    fn who_lost_the_answer_after_the_name_was_free_comes_back() {
        let holder = Title { claimed: 20, ..resumed(1, 20, "a") };
        assert_eq!(resumed(1, 30, "a").against(&holder), Standing::Rightful);
        assert_eq!(resumed(1, 30, "b").against(&holder), Standing::Rightful);
        assert_eq!(Title { claimed: 15, was: 15, ..resumed(1, 30, "b") }.against(&holder), Standing::Stranger);
    }

    #[test]
    fn the_later_claim_holds() {
        let (before, since) = (resumed(5, 10, "a"), Title { claimed: 7, was: 7, ..resumed(7, 10, "b") });
        assert_eq!(before.against(&since), Standing::Stranger);
        assert_eq!(since.against(&before), Standing::Rightful);
    }

    #[test]
    fn what_a_run_opens_later_holds() {
        let opened = |opening, shown| {
            let run = Some(Run { id: "a".to_owned(), opening });
            Title { run, ..resumed(shown, shown, "a") }
        };
        assert_eq!(opened(3, 1).against(&opened(2, 9)), Standing::Rightful);
        assert_eq!(opened(3, 1).against(&opened(3, 9)), Standing::Rightful);
        assert_eq!(opened(2, 9).against(&opened(3, 1)), Standing::Superseded, "a hello that came late");
    }

    #[test]
    fn who_says_nothing_is_no_known_run() {
        let nobody = Title { run: None, ..resumed(1, 10, "") };
        assert_eq!(nobody.against(&Title { shown: 5, issued: 20, ..nobody.clone() }), Standing::Superseded);
    }
}
