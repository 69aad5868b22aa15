//! The public table of errors says what relay and agent say, and nothing else.

use std::collections::BTreeSet;

use gantz_agent::permissions::Refusal;

/// The rows of the table: status, code, when, what to do.
fn rows() -> Vec<[&'static str; 4]> {
    let table = include_str!("../../../ERRORS.md").lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let cells = table.map(|row| -> [&str; 4] {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|_| panic!("not four cells: {row}"))
    });
    let mut rows = cells.skip_while(|row| row[0] != "status");
    assert_eq!(rows.next(), Some(["status", "code", "when", "what to do"]));
    assert_eq!(rows.next(), Some(["---"; 4]));
    rows.collect()
}

#[test]
fn the_table_and_the_code_have_the_same_answers() {
    let rows = rows();
    let table: BTreeSet<(u16, String)> =
        rows.iter().map(|[status, code, ..]| (status.parse().unwrap(), code.replace('`', ""))).collect();
    assert_eq!(table.len(), rows.len(), "a row is there twice");
    let code: BTreeSet<(u16, String)> = gantz_relay::answers()
        .chain(Refusal::rows())
        .map(|(status, code)| (status.as_u16(), code.to_owned()))
        .collect();
    let (undocumented, invented) = (&code - &table, &table - &code);
    assert!(undocumented.is_empty(), "without a row: {undocumented:?}");
    assert!(invented.is_empty(), "rows of nothing: {invented:?}");
}

#[test]
fn each_row_says_when_and_what_to_do() {
    for [status, code, when, what_to_do] in rows() {
        assert!(!when.is_empty() && !what_to_do.is_empty(), "{status} {code}");
        assert!(code.starts_with('`') && code.ends_with('`'), "{code}");
    }
}

/// There is one table: a second one would drift.
#[test]
fn the_readme_points_to_the_table() {
    let readme = include_str!("../../../README.md");
    assert!(readme.contains("(ERRORS.md)"));
    assert!(!readme.lines().any(|line| line.starts_with("| 4") || line.starts_with("| 5")));
}
