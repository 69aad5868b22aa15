//! The last claim to each name, as it is known and as it is written: lines of `CLAIMED NAME NETWORK`, in milliseconds since
//! 1970. The last line of a name counts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use gantz_shared::name::Name;

/// Names whose last claim is known. Beyond that the networks that have claimed the most forget their first ones: nobody can
/// have others' claims forgotten by making many of its own.
pub(super) const MAX_CLAIMS: usize = 10_000;

/// As many are left then, so that it is not looked for those at each claim.
const LEFT: usize = MAX_CLAIMS / 4 * 3;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<Name, Claim>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    claimed: u64,
    network: IpAddr,
}

/// How many lines were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) count: usize,
    /// There is more behind the last one: another line would become part of it.
    pub(super) is_torn: bool,
}

impl Known {
    /// What is written in `text`. A line that is none, as a crash may leave, is passed over.
    pub(super) fn read(text: &[u8]) -> (Self, Lines) {
        let text = String::from_utf8_lossy(text);
        let is_torn = !text.is_empty() && !text.ends_with('\n');
        let mut known = Self::default();
        let mut count = 0;
        for line in text.split_inclusive('\n') {
            count += 1;
            // Half a line may be a whole one of another name.
            if let Some(line) = line.strip_suffix('\n')
                && let Some((name, claim)) = parse(line)
            {
                known.0.insert(name, claim);
            }
        }
        known.forget();
        (known, Lines { count, is_torn })
    }

    pub(super) fn last(&self, name: &Name) -> Option<u64> {
        Some(self.0.get(name)?.claimed)
    }

    /// `name` is claimed. Answers with the line to write, where that is new.
    pub(super) fn note(&mut self, name: &Name, claimed: u64, network: IpAddr) -> Option<String> {
        let claim = Claim { claimed, network };
        if self.last(name) >= Some(claimed) {
            return None;
        }
        self.0.insert(name.clone(), claim);
        self.forget();
        Some(line(name, claim))
    }

    fn forget(&mut self) {
        if self.0.len() <= MAX_CLAIMS {
            return;
        }
        let mut networks: HashMap<IpAddr, Vec<(u64, Name)>> = HashMap::new();
        for (name, claim) in self.0.drain() {
            networks.entry(claim.network).or_default().push((claim.claimed, name));
        }
        let mut left: usize = networks.values().map(Vec::len).sum();
        let mut by_number: BinaryHeap<_> = networks
            .into_iter()
            .map(|(network, mut claims)| {
                claims.sort_unstable_by_key(|(claimed, _)| Reverse(*claimed));
                (claims.len(), network, claims)
            })
            .collect();
        while left > LEFT
            && let Some((number, network, mut claims)) = by_number.pop()
        {
            claims.pop();
            left -= 1;
            by_number.push((number - 1, network, claims));
        }
        self.0 = by_number
            .into_iter()
            .flat_map(|(_, network, claims)| {
                claims.into_iter().map(move |(claimed, name)| (name, Claim { claimed, network }))
            })
            .collect();
    }

    /// All of it, as it is written.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(name, claim)| line(name, *claim)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn line(name: &Name, Claim { claimed, network }: Claim) -> String {
    format!("{claimed} {name} {network}\n")
}

fn parse(line: &str) -> Option<(Name, Claim)> {
    let mut words = line.split(' ');
    let claimed = words.next()?.parse().ok()?;
    let name = Name::parse(words.next()?).ok()?;
    // It was not written at first: those claims are of one network together.
    let network = words.next().map_or(Ok(Ipv4Addr::UNSPECIFIED.into()), str::parse).ok()?;
    Some((name, Claim { claimed, network }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Name {
        Name::parse(&format!("name-{number}")).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut known = Known::default();
        for (number, network) in [(1, "192.0.2.1"), (2, "2001:db8::")] {
            let line = known.note(&name(number), 7, network.parse().unwrap());
            assert_eq!(line, Some(format!("7 name-{number} {network}\n")));
        }
        assert_eq!(known.note(&name(1), 7, "192.0.2.1".parse().unwrap()), None);
        let (read, lines) = Known::read(known.text().as_bytes());
        assert_eq!((read.0, lines), (known.0, Lines { count: 2, is_torn: false }));
        let (read, lines) = Known::read(b"7 old\nwhat? no!\n8 old 192.0.2.1\n9 old 192.0.2.");
        assert_eq!((read.last(&Name::parse("old").unwrap()), lines), (Some(8), Lines { count: 4, is_torn: true }));
    }

    #[test]
    fn who_claims_many_names_has_its_own_forgotten() {
        let mut known = Known::default();
        let [few, many] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        known.note(&name(0), 0, few);
        for number in 1..=MAX_CLAIMS + 5 {
            known.note(&name(number), number as u64, many);
        }
        assert_eq!((known.0.len(), known.last(&name(0))), (LEFT + 5, Some(0)));
        let first = MAX_CLAIMS - LEFT + 2;
        assert_eq!([first - 1, first].map(|number| known.last(&name(number))), [None, Some(first as u64)]);
    }
}
