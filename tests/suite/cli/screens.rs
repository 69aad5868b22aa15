//! Screens under snapshot.

use crate::gantz;

/// Compares a screen with its snapshot, with what differs from run to run taken out.
macro_rules! assert_screen {
    ($name:literal, $screen:expr) => {{
        let screen = $screen.to_string();
        insta::with_settings!({
            omit_expression => true,
            prepend_module_to_snapshot => false,
            filters => $crate::screens::FILTERS.to_vec(),
        }, {
            insta::assert_snapshot!($name, screen);
        });
    }};
}
pub(crate) use assert_screen;

/// What differs from run to run, and from system to system.
pub(crate) const FILTERS: &[(&str, &str)] = &[
    (r"gtz_[\w-]{43}", "gtz_[TOKEN]"),
    // A port of the system's choice; those that the texts name have fewer digits.
    (r"(127\.0\.0\.1|localhost|\[::1\]|relay\.test):\d{5}\b", "$1:[PORT]"),
    (r"\bport \d{5}\b", "port [PORT]"),
    // A random name, and no flag.
    (r"(^|[^-\w])[a-z]+-[a-z]+-[0-9a-z]{6}\b", "$1[NAME]"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[TIME]"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC now", "[TIME] now"),
    (r"([0-9A-F]{2}:){31}[0-9A-F]{2}", "[SHA-256]"),
    (r"\(os error \d+\)", "(os error [N])"),
    (r"\d+ ms", "[N] ms"),
    (r"(?s)(does not resolve:).*?(\n  try:)", "$1 [RESOLVER]$2"),
];

/// Several command lines of `gantz` that all end with this exit code, one screen below the other.
pub(crate) async fn screens(code: i32, commands: &[&str]) -> String {
    let mut all = Vec::new();
    for command in commands {
        all.push(gantz(command).screen(code).await);
    }
    all.join("\n\n")
}
