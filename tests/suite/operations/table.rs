//! The README's table of metrics says what is told, and nothing else.

use std::collections::BTreeMap;

use gantz_tests::{echo, relay};

use crate::scrape::scrape;

/// What a relay does not tell that asks no certificate authority.
const ONLY_WITH_ACME: [&str; 1] = ["gantz_certificate_renewal_failures_total"];

/// Names with their types, and their labels where these are named.
type Families = BTreeMap<String, (String, Vec<String>)>;

fn table() -> Families {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("\n### Metrics\n").expect("the README's section");
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix('|'));
    let families = rows.flat_map(|row| {
        let [names, kind, _]: [&str; 3] =
            row.split(" | ").collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{row}"));
        names
            .split(", ")
            .map(|name| {
                let name = name.trim_matches('`');
                let (name, labels) = name.trim_end_matches('}').split_once('{').unwrap_or((name, ""));
                let labels = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect();
                (name.to_owned(), (kind.to_owned(), labels))
            })
            .collect::<Vec<_>>()
    });
    families.collect()
}

#[tokio::test]
async fn the_table_has_what_is_told() {
    let mut table = table();
    for name in ONLY_WITH_ACME {
        assert!(table.remove(name).is_some(), "{name}");
    }
    let world = relay().server(echo()).start().await;
    let told = scrape(&world.relay).await;
    let types = told.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut families: Families = types.map(|(name, kind)| (name.into(), (kind.into(), Vec::new()))).collect();
    for series in told.series.keys() {
        let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
        if let Some((_, known)) = families.get_mut(name) {
            *known = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect();
        }
    }
    assert_eq!(table, families);
}
