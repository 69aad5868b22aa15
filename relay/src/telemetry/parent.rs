//! The span that a caller says its request belongs to, and the one that the local server is told (W3C Trace Context, §3).

use gantz_shared::limits::{MAX_FIELDS, MAX_HEAD};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use super::limits::HEAD_BESIDES;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What the caller's `traceparent` says; none where there is none, more than one, or none that can be read. Its
/// `tracestate` goes on as it is, and is no part of what is exported: it can hold any text.
pub(super) fn of(fields: &HeaderMap) -> Option<SpanContext> {
    let mut all = fields.get_all(TRACEPARENT).into_iter();
    let (one, more) = (all.next()?, all.next());
    one.to_str().ok().filter(|_| more.is_none()).and_then(parse)
}

/// §3.2.2. A later version may have more behind its flags (§3.2.4).
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let mut part = |digits: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (part.len() == digits && is_hex).then_some(part)
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// Whether one field more fits into the head on its way through the tunnel: the request matters more than its trace.
pub(super) fn has_room(request: &Parts) -> bool {
    let fields = &request.headers;
    let bytes: usize =
        fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 2 * size_of::<u32>()).sum();
    let target = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
    fields.contains_key(TRACEPARENT) || (fields.len() < MAX_FIELDS && bytes + target + HEAD_BESIDES <= MAX_HEAD)
}

/// Tells the local server that `span` is its parent. One without a parent of its own begins a trace, and what the caller
/// says of another one means nothing (§3.3).
pub(super) fn pass_on(span: &SpanContext, begins_a_trace: bool, fields: &mut HeaderMap) {
    let flags = span.trace_flags() & TraceFlags::SAMPLED;
    let text = format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id());
    if let Ok(text) = HeaderValue::try_from(text) {
        fields.insert(TRACEPARENT, text);
    }
    if begins_a_trace {
        fields.remove(TRACESTATE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn what_is_one_and_what_is_not() {
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true)] {
            let context = parse(&format!("00-{TRACE}-{SPAN}-{flags}")).unwrap();
            assert_eq!((context.trace_id().to_string(), context.span_id().to_string()), (TRACE.into(), SPAN.into()));
            assert_eq!((context.is_sampled(), context.is_remote()), (is_sampled, true), "{flags}");
        }
        for later in [format!("01-{TRACE}-{SPAN}-01"), format!("cc-{TRACE}-{SPAN}-01-what-comes")] {
            assert!(parse(&later).is_some(), "{later}");
        }
        for none in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00 {TRACE} {SPAN} 01"),
        ] {
            assert!(parse(&none).is_none(), "{none}");
        }
    }

    #[test]
    fn more_than_one_is_none() {
        let mut fields = HeaderMap::new();
        assert!(of(&fields).is_none());
        let value = HeaderValue::try_from(format!("00-{TRACE}-{SPAN}-01")).unwrap();
        fields.append(TRACEPARENT, value.clone());
        assert!(of(&fields).is_some());
        fields.append(TRACEPARENT, value);
        assert!(of(&fields).is_none());
    }

    #[test]
    fn a_new_trace_has_no_state() {
        let span = parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert(TRACESTATE, HeaderValue::from_static("congo=t61rcWkgMzE"));
        pass_on(&span, false, &mut fields);
        assert_eq!(fields[TRACEPARENT], format!("00-{TRACE}-{SPAN}-01"));
        assert!(fields.contains_key(TRACESTATE));
        pass_on(&span, true, &mut fields);
        assert!(!fields.contains_key(TRACESTATE));
    }

    #[test]
    fn one_field_more_needs_room() {
        let request = |fields: usize, bytes: usize| {
            let value = "y".repeat(bytes);
            let request = (0..fields).fold(http::Request::builder(), |request, _| request.header("x", &value));
            request.body(()).unwrap().into_parts().0
        };
        assert!(has_room(&request(MAX_FIELDS - 1, 1)));
        assert!(!has_room(&request(MAX_FIELDS, 1)));
        assert!(has_room(&request(1, MAX_HEAD / 2)));
        assert!(!has_room(&request(1, MAX_HEAD - HEAD_BESIDES)));
    }
}
