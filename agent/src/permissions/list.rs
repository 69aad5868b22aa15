//! Cuts tools out of a `tools/list` answer, known by its shape: a response, alone or in a batch, whose `result.tools` is
//! an array. Of the rest of the text nothing changes, not even its spaces.
//!
//! A member that is there twice is cut in both places: which of them counts is for the client's reader to say.
//!
//! What is not looked for is not kept: a text of many small values would otherwise take some ten times its own memory.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{MAX_LISTED, Tool};

/// What a text turned out to be.
#[derive(Default)]
pub(super) struct Seen {
    /// Whether there is a list in it, of however few tools.
    pub(super) lists: bool,
    /// Every tool that it lists.
    pub(super) tools: Vec<Tool>,
    /// The text without those that must not be seen, if there were any.
    pub(super) cut: Option<String>,
}

/// Reads a JSON text and cuts what `shows` does not want seen, and what has no name to decide by.
///
/// # Errors
/// It is not JSON, or lists more than [`MAX_LISTED`] tools.
pub(super) fn cut(text: &str, shows: impl Fn(&Tool) -> bool) -> serde_json::Result<Seen> {
    let (mut seen, mut out, mut done) = (Seen::default(), String::new(), 0);
    for list in lists(text)? {
        seen.lists = true;
        let mut hides = false;
        elements(list, |entry| {
            let tool = tool(entry);
            hides |= !tool.as_ref().is_some_and(&shows);
            seen.tools.extend(tool);
            if seen.tools.len() > MAX_LISTED { Err(Error::custom("too many tools")) } else { Ok(()) }
        })?;
        if !hides {
            continue;
        }
        // It gets no longer.
        out.reserve(text.len() - done);
        // The list is a slice of the text.
        let start = list.get().as_ptr().addr() - text.as_ptr().addr();
        out.push_str(&text[done..start]);
        let mut separator = "[";
        elements(list, |entry| {
            if tool(entry).is_some_and(|tool| shows(&tool)) {
                out.push_str(separator);
                out.push_str(entry.get());
                separator = ",";
            }
            Ok(())
        })?;
        out.push_str(if separator == "[" { "[]" } else { "]" });
        done = start + list.get().len();
    }
    if done > 0 {
        out.push_str(&text[done..]);
        out.shrink_to_fit();
        seen.cut = Some(out);
    }
    Ok(seen)
}

/// What the next page of a list is asked for with (MCP, "Pagination"); none where that is not clear.
pub(super) fn cursor(text: &str) -> Option<String> {
    let result = only(members(serde_json::from_str(text).ok()?, "result").ok()?)?;
    serde_json::from_str(only(members(result, "nextCursor").ok()?)?.get()).ok()?
}

/// Every `result.tools` that is an array, in the order of the text.
fn lists(text: &str) -> serde_json::Result<Vec<&RawValue>> {
    let mut lists = Vec::new();
    let mut of_message = |message| {
        for result in members(message, "result")? {
            lists.extend(members(result, "tools")?.into_iter().filter(|tools| tools.get().starts_with('[')));
        }
        Ok(())
    };
    match serde_json::from_str::<&RawValue>(text)? {
        batch if batch.get().starts_with('[') => elements(batch, of_message)?,
        message => of_message(message)?,
    }
    Ok(lists)
}

/// A list's entry; `None` for one that has not exactly one name, or annotations that could be read in two ways.
fn tool(entry: &RawValue) -> Option<Tool> {
    let name = only(members(entry, "name").ok()?)?;
    let annotations = members(entry, "annotations").ok()?;
    let hints = match annotations.as_slice() {
        [] => Vec::new(),
        [annotations] => members(annotations, "readOnlyHint").ok()?,
        _ => return None,
    };
    let read_only = match hints.as_slice() {
        [] => false,
        [hint] => hint.get() == "true",
        _ => return None,
    };
    Some(Tool { name: serde_json::from_str(name.get()).ok()?, read_only })
}

fn only<T>(values: Vec<T>) -> Option<T> {
    <[T; 1]>::try_from(values).ok().map(|[value]| value)
}

/// The values of the members called `name`; none, where `value` is no object.
fn members<'a>(value: &'a RawValue, name: &str) -> serde_json::Result<Vec<&'a RawValue>> {
    if !value.get().starts_with('{') {
        return Ok(Vec::new());
    }
    struct Named<'n>(&'n str);
    impl<'de> Visitor<'de> for Named<'_> {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut values = Vec::new();
            while let Some(member) = map.next_key::<String>()? {
                let value = map.next_value()?;
                if member == self.0 {
                    values.push(value);
                }
            }
            Ok(values)
        }
    }
    serde_json::Deserializer::from_str(value.get()).deserialize_map(Named(name))
}

/// Gives `each` the elements of an array, in order.
fn elements<'a>(
    array: &'a RawValue,
    each: impl FnMut(&'a RawValue) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    struct Each<F>(F);
    impl<'de, F: FnMut(&'de RawValue) -> serde_json::Result<()>> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
            while let Some(element) = seq.next_element()? {
                (self.0)(element).map_err(A::Error::custom)?;
            }
            Ok(())
        }
    }
    serde_json::Deserializer::from_str(array.get()).deserialize_seq(Each(each))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hides `w*`.
    fn hidden(text: &str) -> Option<String> {
        cut(text, |tool| !tool.name.starts_with('w')).unwrap().cut
    }

    #[test]
    fn tools_are_cut_and_nothing_else_changes() {
        for (text, expected) in [
            (r#"{"result":{"tools":[{"name":"r"},{"name":"w"}]}}"#, r#"{"result":{"tools":[{"name":"r"}]}}"#),
            (r#"{"result":{"tools":[{"name":"w"}]}}"#, r#"{"result":{"tools":[]}}"#),
            (
                " { \"id\" : 1.50,\n \"result\": { \"nextCursor\": \"w\", \"tools\" : [ {\"name\":\"w\"} , { \"name\" : \"r\" } ] , \"x\":1e400 } } ",
                " { \"id\" : 1.50,\n \"result\": { \"nextCursor\": \"w\", \"tools\" : [{ \"name\" : \"r\" }] , \"x\":1e400 } } ",
            ),
            (
                r#"[{"id":1,"result":{}},{"id":2,"result":{"tools":[{"name":"w1"},{"name":"r"}]}},{"result":{"tools":[{"name":"w2"}]}}]"#,
                r#"[{"id":1,"result":{}},{"id":2,"result":{"tools":[{"name":"r"}]}},{"result":{"tools":[]}}]"#,
            ),
            (r#"{"r\u0065sult":{"t\u006fols":[{"n\u0061me":"\u0077"}]}}"#, r#"{"r\u0065sult":{"t\u006fols":[]}}"#),
            (
                r#"{"result":{"tools":[{"name":"r"}],"tools":[{"name":"w"}]},"result":{"tools":[{"name":"w"}]}}"#,
                r#"{"result":{"tools":[{"name":"r"}],"tools":[]},"result":{"tools":[]}}"#,
            ),
            (
                r#"{"result":{"tools":[1,{},"r",{"name":1},{"name":"r","name":"w"},{"name":"\ud800"},{"name":"r"}]}}"#,
                r#"{"result":{"tools":[{"name":"r"}]}}"#,
            ),
            (
                r#"{"result":{"tools":[{"name":"w"},{"name":"r","description":"\ud800"}]}}"#,
                r#"{"result":{"tools":[{"name":"r","description":"\ud800"}]}}"#,
            ),
        ] {
            assert_eq!(hidden(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_lists_no_hidden_tools_is_left_alone() {
        for text in [
            r#"{"result":{"tools":[{"name":"r"}]}}"#,
            r#"{"result":{"tools":[]}}"#,
            r#"{"result":{"tools":{"name":"w"}}}"#,
            r#"{"result":{"capabilities":{"tools":[{"name":"w"}]}}}"#,
            r#"{"params":{"tools":[{"name":"w"}]}}"#,
            r#"{"tools":[{"name":"w"}]}"#,
            r#"{"result":[{"tools":[{"name":"w"}]}]}"#,
            r#"{"error":{"tools":[{"name":"w"}]}}"#,
            "[]",
            "null",
            "\"w\"",
        ] {
            assert_eq!(hidden(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_hint_that_is_exactly_true_is_one() {
        for (annotations, read_only) in [
            (r#","annotations":{"readOnlyHint":true}"#, Some(true)),
            (r#","annotations":{"title":"x","readOnlyHint" : true }"#, Some(true)),
            (r#","annotations":{"readOnlyHint":false}"#, Some(false)),
            (r#","annotations":{"readOnlyHint":"true"}"#, Some(false)),
            (r#","annotations":{"readOnlyHint":1}"#, Some(false)),
            (r#","annotations":{"readonlyhint":true}"#, Some(false)),
            (r#","annotations":true"#, Some(false)),
            (r#","readOnlyHint":true"#, Some(false)),
            ("", Some(false)),
            (r#","annotations":{"readOnlyHint":true,"readOnlyHint":false}"#, None),
            (r#","annotations":{"readOnlyHint":true},"annotations":{}"#, None),
        ] {
            let text = format!(r#"{{"result":{{"tools":[{{"name":"x"{annotations}}}]}}}}"#);
            let tools = cut(&text, |_| true).unwrap().tools;
            assert_eq!(tools.first().map(|tool| tool.read_only), read_only, "{annotations}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_not_read() {
        let list = |tools: usize| format!(r#"{{"result":{{"tools":[{}]}}}}"#, vec![r#"{"name":"r"}"#; tools].join(","));
        assert_eq!(cut(&list(MAX_LISTED), |_| true).unwrap().tools.len(), MAX_LISTED);
        assert!(cut(&list(MAX_LISTED + 1), |_| true).is_err());
    }

    #[test]
    fn depth_is_no_way_around() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let text = format!(r#"{{"x":{deep},"result":{{"tools":[{{"name":"w","x":{deep}}}]}}}}"#);
        assert_eq!(hidden(&text), Some(format!(r#"{{"x":{deep},"result":{{"tools":[]}}}}"#)));
    }
}
