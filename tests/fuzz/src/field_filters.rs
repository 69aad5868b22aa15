//! The rules on fields. The input is a head as HTTP/1 writes it: lines of `name: value`; lines that are none are left
//! out, as no message has them.

use gantz_shared::fields::{
    Nominated, content_length, expects_continue, is_event_stream, is_forwarding, is_hop_by_hop, is_internal, upgrade,
    wants_trailers,
};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Checks every rule on one head.
pub fn check(data: &[u8]) {
    let mut fields = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(128) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    names(&fields);
    connection(&fields);
    length(&fields);
    if expects_continue(&fields) {
        assert!(fields.contains_key(header::EXPECT));
    }
    if is_event_stream(&fields) {
        let start = fields[header::CONTENT_TYPE].as_bytes()[..17].to_ascii_lowercase();
        assert_eq!(start, b"text/event-stream");
    }
}

/// Who called is told by the relay alone, in whatever spelling a server would take for it.
fn names(fields: &HeaderMap) {
    for name in fields.keys() {
        let hyphens = HeaderName::from_bytes(name.as_str().replace('_', "-").as_bytes()).expect("still a name");
        let underscores = HeaderName::from_bytes(name.as_str().replace('-', "_").as_bytes()).expect("still a name");
        for other in [&hyphens, &underscores] {
            assert_eq!(is_forwarding(other), is_forwarding(name), "{name} {other}");
            assert_eq!(is_internal(other), is_internal(name), "{name} {other}");
        }
        assert_eq!(is_internal(name), hyphens.as_str().starts_with("gantz-"));
        if hyphens.as_str().starts_with("x-forwarded") {
            assert!(is_forwarding(name), "{name}");
        }
    }
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE] {
        assert!(is_hop_by_hop(&name));
    }
}

/// What `Connection` names ends here; an upgrade is one only when it is named.
fn connection(fields: &HeaderMap) {
    let options = members(fields, &header::CONNECTION);
    let nominated = Nominated::by(fields);
    for name in fields.keys() {
        let is_known = ["close", "keep-alive", "upgrade"].contains(&name.as_str());
        assert_eq!(nominated.contains(name), !is_known && options.contains(&name.as_str().into()), "{name}");
    }
    let protocol = fields.get(header::UPGRADE).filter(|_| options.contains(&b"upgrade".to_vec()));
    assert_eq!(upgrade(fields), protocol);
    assert_eq!(wants_trailers(fields), members(fields, &header::TE).contains(&b"trailers".to_vec()));
}

/// One length, in digits alone, or an error.
fn length(fields: &HeaderMap) {
    let values: Vec<&[u8]> = fields.get_all(header::CONTENT_LENGTH).iter().map(HeaderValue::as_bytes).collect();
    match content_length(fields) {
        Ok(None) => assert!(values.is_empty()),
        Ok(Some(length)) => {
            for value in values {
                let digits = value.iter().position(|byte| *byte != b'0').map_or(&b"0"[..], |first| &value[first..]);
                assert_eq!(digits, length.to_string().as_bytes());
            }
        }
        Err(_) => assert!(!values.is_empty()),
    }
}

/// The members of a list field, in lower case.
fn members(fields: &HeaderMap, name: &HeaderName) -> Vec<Vec<u8>> {
    let lines = fields.get_all(name).into_iter();
    lines
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|member| member.trim_ascii().to_ascii_lowercase())
        .filter(|member| !member.is_empty())
        .collect()
}
