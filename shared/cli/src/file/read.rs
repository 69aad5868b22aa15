//! From YAML to entries: which key, on which line, with which values, as they are written.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::{Error, Spanned};

/// What may be said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    /// Whether it is a list of values, or one.
    pub(super) is_list: bool,
}

/// What is said.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: u64,
    pub(super) values: Vec<String>,
}

/// The entries of a file, also of keys that there are not; a key without a value says nothing.
pub(super) fn entries(text: &str, keys: &[Key<'_>]) -> Result<Vec<Entry>, Error> {
    serde_saphyr::with_deserializer_from_str(text, |deserializer| Entries(keys).deserialize(deserializer))
}

struct Entries<'a>(&'a [Key<'a>]);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Vec<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys with values")
    }

    /// An empty file says nothing.
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Spanned { value: key, referenced: place, .. }) = map.next_key::<Spanned<String>>()? {
            let values = match self.0.iter().find(|known| known.name == key) {
                Some(Key { is_list: true, .. }) => map.next_value::<Option<Vec<String>>>()?,
                Some(_) => map.next_value::<Option<String>>()?.map(|value| vec![value]),
                // It is for the reader of entries to say so.
                None => map.next_value::<IgnoredAny>().map(|_| Some(Vec::new()))?,
            };
            if let Some(values) = values {
                entries.push(Entry { key, line: place.line(), values });
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[Key<'_>] = &[Key { name: "one", is_list: false }, Key { name: "many", is_list: true }];

    #[test]
    fn values_are_as_they_are_written_and_have_their_lines() {
        let text = "# of this relay\none: 0x10\n\nmany:\n  - 1.50\n  - yes\nother:\n  a: b\n";
        let found: Vec<_> =
            entries(text, KEYS).unwrap().into_iter().map(|entry| (entry.key, entry.line, entry.values)).collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            found,
            [
                (text("one"), 2, vec![text("0x10")]),
                (text("many"), 4, vec![text("1.50"), text("yes")]),
                (text("other"), 7, Vec::new()),
            ]
        );
        for nothing in ["", "# nothing\n", "one:\n", "one: ~\n", "---\n"] {
            assert!(entries(nothing, KEYS).unwrap().is_empty(), "{nothing}");
        }
    }

    #[test]
    fn the_wrong_kind_says_on_which_line() {
        for (text, line) in [("one: [a]\n", 1), ("many: a\n", 1), ("\none:\n  a: b\n", 3), ("- one\n", 1), ("one\n", 1)]
        {
            let error = entries(text, KEYS).expect_err(text);
            assert_eq!(error.location().map(|location| location.line()), Some(line), "{text}: {error}");
        }
        assert!(matches!(
            entries("one: 1\none: 2\n", KEYS).expect_err("twice").without_snippet(),
            Error::DuplicateMappingKey { .. }
        ));
    }
}
