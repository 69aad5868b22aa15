//! What Callgrind has written down, as far as it is asked here: who called which function how often, and what that took.
//! The format: <https://valgrind.org/docs/manual/cl-format.html>.

use std::collections::{HashMap, HashSet};

/// A dump.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// Instructions of all threads.
    pub(crate) instructions: u64,
    functions: HashMap<String, Calls>,
    /// Instructions of each function without those of what it called.
    own: HashMap<String, u64>,
    /// Who called each function.
    callers: HashMap<String, HashSet<String>>,
}

/// The calls of a function.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    /// Instructions of the function and of all that it called.
    pub(crate) instructions: u64,
}

impl Profile {
    pub(crate) fn read(text: &str) -> Self {
        let mut profile = Self::default();
        // A name is written out once, and then stands for itself by its number.
        let mut names = HashMap::<&str, &str>::new();
        let (mut caller, mut callee) = ("", "");
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            match line.split_once(['=', ':']) {
                Some((key @ ("fn" | "cfn"), named)) => {
                    let (number, name) = named.split_once(' ').unwrap_or((named, ""));
                    let name = if name.is_empty() { names[number] } else { name };
                    names.insert(number, name);
                    if key == "cfn" {
                        callee = name;
                    } else {
                        caller = name;
                    }
                }
                Some(("calls", count)) => {
                    let count: u64 = first(count);
                    // The next line is what these calls took: where they were made, and instructions.
                    let cost = lines.next().and_then(|line| line.split_once(' ')).expect("a position and a cost").1;
                    let calls = profile.functions.entry(callee.to_owned()).or_default();
                    calls.count += count;
                    calls.instructions += first(cost);
                    profile.callers.entry(callee.to_owned()).or_default().insert(caller.to_owned());
                }
                Some(("summary", total)) => profile.instructions = first(total),
                Some(_) => {}
                None if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) => {
                    let cost = line.split_once(' ').expect("a position and a cost").1;
                    *profile.own.entry(caller.to_owned()).or_default() += first(cost);
                }
                None => {}
            }
        }
        profile
    }

    /// The calls of the function of this name; none where there were none.
    pub(crate) fn calls(&self, function: &str) -> Option<Calls> {
        self.functions.get(function).copied()
    }

    /// Instructions of all functions but those that are `left_out`, and those that nobody but these calls.
    pub(crate) fn without(&self, left_out: impl Fn(&str) -> bool) -> u64 {
        let mut out: HashSet<&str> = self.own.keys().map(String::as_str).filter(|name| left_out(name)).collect();
        loop {
            let is_theirs = |name: &str, callers: &HashSet<String>| {
                !out.contains(name) && callers.iter().all(|caller| caller == name || out.contains(caller.as_str()))
            };
            let theirs = self.callers.iter().filter(|(name, callers)| is_theirs(name, callers));
            let more: Vec<&str> = theirs.map(|(name, _)| name.as_str()).collect();
            if more.is_empty() {
                break;
            }
            out.extend(more);
        }
        self.own.iter().filter(|(name, _)| !out.contains(name.as_str())).map(|(_, own)| own).sum()
    }
}

/// The first number of a line.
fn first(numbers: &str) -> u64 {
    let number = numbers.split_whitespace().next().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no number: {numbers:?}"))
}

#[test]
fn calls_are_added_up_over_their_callers() {
    let text = "# callgrind format\nevents: Ir\nsummary: 1234\n\nfl=(1) a.rs\nfn=(1) crate::outer\n12 5\ncfn=(2) crate::inner\n\
                calls=3 40\n+2 300\n* 7\n\nfn=(3) <crate::A as crate::B<_>>::find\ncfi=(1)\ncfn=(2)\ncalls=1 40\n-4 50\ncfn=(1)\n\
                calls=2 9\n* 900\n\nfn=(2)\n40 350\n\ntotals: 1300\n";
    let profile = Profile::read(text);
    assert_eq!(profile.instructions, 1234);
    assert_eq!(profile.calls("crate::inner"), Some(Calls { count: 4, instructions: 350 }));
    assert_eq!(profile.calls("crate::outer"), Some(Calls { count: 2, instructions: 900 }));
    assert_eq!(profile.calls("<crate::A as crate::B<_>>::find"), None, "it was running already");
}

#[test]
fn what_is_left_out_takes_with_it_what_only_it_calls() {
    // `main` and `crypto` call `copy`; only `crypto` calls `rounds`, which calls itself, and that calls `mix`.
    let text = "summary: 1111\n\nfn=(1) main\n1 1000\ncfn=(2) crypto\ncalls=2 1\n1 110\ncfn=(3) copy\ncalls=1 1\n* 1\n\n\
                fn=(2)\n1 10\ncfn=(4) rounds\ncalls=2 1\n+1 90\ncfn=(3)\ncalls=2 1\n1 10\n\nfn=(4)\n1 50\n+1 20\ncfn=(4)\n\
                calls=1 1\n1 30\ncfn=(5) mix\ncalls=1 1\n1 20\n\nfn=(5)\n1 20\n\nfn=(3)\n1 11\n";
    let profile = Profile::read(text);
    assert_eq!(profile.without(|_| false), 1111);
    assert_eq!(profile.without(|function| function == "crypto"), 1000 + 11, "`copy` is not only its own");
    assert_eq!(profile.without(|function| ["crypto", "copy"].contains(&function)), 1000);
    assert_eq!(profile.without(|function| function == "rounds"), 1000 + 10 + 11);
}
