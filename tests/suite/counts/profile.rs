//! What Callgrind has written down, as far as it is asked here: how often each function was called, and what its calls took.
//! The format: <https://valgrind.org/docs/manual/cl-format.html>.

use std::collections::HashMap;

/// A dump.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// Instructions of all threads.
    pub(crate) instructions: u64,
    functions: HashMap<String, Calls>,
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
        let mut callee = "";
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            match line.split_once(['=', ':']) {
                Some((key @ ("fn" | "cfn"), named)) => {
                    let (number, name) = named.split_once(' ').unwrap_or((named, ""));
                    let name = if name.is_empty() { names[number] } else { name };
                    names.insert(number, name);
                    if key == "cfn" {
                        callee = name;
                    }
                }
                Some(("calls", count)) => {
                    let count: u64 = first(count);
                    // The next line is what these calls took: where they were made, and instructions.
                    let cost = lines.next().and_then(|line| line.split_once(' ')).expect("a position and a cost").1;
                    let calls = profile.functions.entry(callee.to_owned()).or_default();
                    calls.count += count;
                    calls.instructions += first(cost);
                }
                Some(("summary", total)) => profile.instructions = first(total),
                _ => {}
            }
        }
        profile
    }

    /// The calls of the function of this name; none where there were none.
    pub(crate) fn calls(&self, function: &str) -> Option<Calls> {
        self.functions.get(function).copied()
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
