//! What is no configuration: file, line and, for an unknown key, the nearest one that there is. Values are not repeated:
//! they may be secrets.

use std::path::Path;

use gantz_shared::failure::{Exit, Failure};
use serde_saphyr::Error;

use super::read::Key;
use crate::said::Place;

/// How alike a known key has to be to be suggested (Jaro-Winkler).
const ALIKE: f64 = 0.75;

/// A key that there is not.
pub(super) fn unknown_key(place: &Place, key: &str, keys: &[Key<'_>]) -> Failure {
    let nearest = keys
        .iter()
        .map(|known| (strsim::jaro_winkler(key, known.name), known.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(alike, _)| *alike >= ALIKE);
    let failure =
        Failure::new(Exit::Usage, format!("{}, line {}: unknown key `{key}`", place.path.display(), place.line));
    match nearest {
        Some((_, known)) => failure.hint(format!("`{known}`")),
        None => {
            let all: Vec<_> = keys.iter().map(|known| known.name).collect();
            failure.hint(format!("one of {}", all.join(", ")))
        }
    }
}

/// A file that cannot be read as keys with values, which are the flags of `command`.
pub(super) fn failure(path: &Path, error: &Error, command: &str) -> Failure {
    let place = match error.location() {
        Some(location) => format!("{}, line {}", path.display(), location.line()),
        None => path.display().to_string(),
    };
    let not_yaml = |why: &str| {
        Failure::new(Exit::Usage, format!("{place}: not a gantz configuration"))
            .why(why)
            .hint(format!("one `key: value` a line, with the names of the flags of {command} as keys (`_` for `-`)"))
    };
    match error.without_snippet() {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            Failure::new(Exit::Usage, format!("{place}: `{key}` is there twice")).hint("leave one of them out")
        }
        // The words of these repeat the value.
        Error::Message { .. }
        | Error::ExternalMessage { .. }
        | Error::SerdeInvalidType { .. }
        | Error::SerdeInvalidValue { .. }
        | Error::SerdeVariantId { .. }
        | Error::NonFiniteFloat { .. }
        | Error::TaggedEnumMismatch { .. }
        | Error::NullIntoString { .. } => not_yaml("it is not YAML, or not of the kind that this key takes"),
        other => not_yaml(reason(&other.to_string())),
    }
}

/// The parser's words without the place, which is said already: `expected string scalar at line 3, column 6`.
fn reason(text: &str) -> &str {
    text.split(" at line ").next().unwrap_or(text)
}
