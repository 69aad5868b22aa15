//! What a caller sent, in a shape that may be kept: without its secrets, and bounded. It errs on the side of hiding.
//!
//! Hidden are the values under secret names, however deep ([`SECRET_NAMES`], [`SECRET_WORDS`]), the values beside or after
//! such a name (`{"name":"X-Api-Key","value":…}`, `["--password",…]`), and every string in which something looks like a
//! credential or like a secret name with its value (see `credentials`), also where it is percent-encoded.
//!
//! Cut is whatever is deeper, longer or more than [`MAX_DEPTH`], [`MAX_STRING`] and [`MAX_TOTAL`] allow; what is cut says
//! so.

mod credentials;
mod decoded;
mod names;

use serde_json::{Map, Value};

pub use names::{SECRET_NAMES, SECRET_WORDS};

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// Objects and arrays within each other that are kept.
pub const MAX_DEPTH: usize = 16;

/// The longest string that is kept whole, bytes. Of a longer one the beginning is kept, and its length.
pub const MAX_STRING: usize = 1024;

/// How much is kept of it all: bytes of strings and names, and 16 for every value. In JSON it may become some times
/// as long, when every character is escaped.
pub const MAX_TOTAL: usize = 8 << 10;

/// What a value counts for beside its text: see [`MAX_TOTAL`].
const NODE: usize = 16;

/// What stands where it was too deep.
const TOO_DEEP: &str = "[too deep]";

/// The name under which an object tells how many of its members are left out, and what an array's last element says.
const LEFT_OUT: &str = "[left out]";

/// Names of members that hold a name, the value of which is beside them: fields and variables are often listed so.
const NAMING: [&str; 5] = ["name", "key", "header", "field", "variable"];

/// See the module's head.
#[must_use]
pub fn redact(value: &Value) -> Value {
    redact_also(value, &|_| false)
}

/// As [`redact`]; every string for which `shows` says yes is hidden, too. It is asked for the whole string, and for what
/// that says without its percent-encoding.
#[must_use]
pub fn redact_also(value: &Value, shows: &dyn Fn(&[u8]) -> bool) -> Value {
    Walk { left: MAX_TOTAL, shows }.value(value, MAX_DEPTH)
}

struct Walk<'a> {
    /// What may still be kept.
    left: usize,
    /// Whether there is a secret in a string that may not look like one.
    shows: &'a dyn Fn(&[u8]) -> bool,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Value {
        self.left = self.left.saturating_sub(NODE);
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => {
                // A number may be as long as the JSON it came from.
                let text = number.to_string();
                if text.len() > NODE * 2 { self.text(&text) } else { value.clone() }
            }
            Value::String(text) => self.text(text),
            Value::Array(_) | Value::Object(_) if depth == 0 => Value::from(TOO_DEEP),
            Value::Array(elements) => self.array(elements, depth - 1),
            Value::Object(members) => self.object(members, depth - 1),
        }
    }

    fn array(&mut self, elements: &[Value], depth: usize) -> Value {
        let mut kept = Vec::new();
        let mut follows_name = false;
        for (index, element) in elements.iter().enumerate() {
            if self.left == 0 {
                kept.push(format!("{LEFT_OUT} {}", elements.len() - index).into());
                break;
            }
            kept.push(if follows_name { self.hidden(element) } else { self.value(element, depth) });
            follows_name = is_secret_name(element);
        }
        Value::Array(kept)
    }

    fn object(&mut self, members: &Map<String, Value>, depth: usize) -> Value {
        let naming =
            members.iter().find(|(name, value)| is_naming(name) && is_secret_name(value)).map(|(name, _)| name);
        let mut kept = Map::new();
        for (index, (name, value)) in members.iter().enumerate() {
            if self.left == 0 {
                kept.insert(LEFT_OUT.into(), (members.len() - index).into());
                break;
            }
            let is_secret = names::is_secret(name) || naming.is_some_and(|naming| naming != name);
            let value = if is_secret { self.hidden(value) } else { self.value(value, depth) };
            let Value::String(name) = self.text(name) else { continue };
            kept.insert(name, value);
        }
        Value::Object(kept)
    }

    /// Nothing of it is kept, not even its kind; but that there is none is no secret.
    fn hidden(&mut self, value: &Value) -> Value {
        self.left = self.left.saturating_sub(NODE + REDACTED.len());
        if value.is_null() { Value::Null } else { Value::from(REDACTED) }
    }

    fn text(&mut self, text: &str) -> Value {
        let most = MAX_STRING.min(self.left);
        let kept = &text[..text.floor_char_boundary(most)];
        self.left -= kept.len();
        if credentials::shows_in(text, kept.len()) || decoded::any(text.as_bytes(), self.shows) {
            Value::from(REDACTED)
        } else if kept.len() < text.len() {
            Value::from(format!("{kept}… [{} bytes]", text.len()))
        } else {
            Value::from(kept)
        }
    }
}

fn is_naming(name: &str) -> bool {
    NAMING.iter().any(|naming| name.eq_ignore_ascii_case(naming))
}

fn is_secret_name(value: &Value) -> bool {
    value.as_str().is_some_and(|name| name.len() <= names::MAX_NAME && names::is_secret(name))
}
