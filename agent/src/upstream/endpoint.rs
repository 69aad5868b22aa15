//! The `endpoint` event of HTTP+SSE (MCP 2024-11-05): the first event of the stream names the URL for messages. SDK
//! clients refuse one on another origin than theirs, so a URL with the local server's authority becomes one of the public
//! origin. Any other relative one is right already.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use gantz_shared::fields::is_event_stream;
use http::{HeaderMap, header};

use super::PublicOrigin;

/// The first event is held back until it is whole, but not beyond this many bytes.
const MAX_FIRST_EVENT: usize = 8 << 10;

/// How the lines of an `endpoint` event begin; the last one is a comment.
const FIELDS: [&str; 5] = ["event:", "data:", "id:", "retry:", ":"];

/// Rewrites the first event of one stream.
#[derive(Debug)]
pub struct Endpoint {
    public: PublicOrigin,
    /// The start of the stream, until the first event is whole; `None` when there is nothing more to do.
    held: Option<BytesMut>,
}

impl Endpoint {
    /// For an answer with these fields; `None` where there is nothing to rewrite.
    #[must_use]
    pub fn new(fields: &HeaderMap, public: &PublicOrigin) -> Option<Self> {
        if !is_event_stream(fields) || fields.contains_key(header::CONTENT_ENCODING) {
            return None;
        }
        // A declared length would no longer be right.
        if fields.contains_key(header::CONTENT_LENGTH) {
            return None;
        }
        Some(Self { public: public.kept(), held: Some(BytesMut::new()) })
    }

    /// Takes the next piece and gives what may go out.
    pub fn rewrite(&mut self, piece: Bytes) -> Bytes {
        let Some(mut held) = self.held.take() else { return piece };
        held.extend_from_slice(&piece);
        match first_event(&held) {
            Start::Event(event) => {
                let mut out = BytesMut::from(&held[..event.start]);
                out.extend_from_slice(&self.event(&held[event.clone()]));
                out.extend_from_slice(&held[event.end..]);
                out.freeze()
            }
            Start::Unfinished(from) if held.len() - from < MAX_FIRST_EVENT && may_be_endpoint(&held[from..]) => {
                let out = held.split_to(from);
                self.held = Some(held);
                out.freeze()
            }
            Start::Unfinished(_) => held.freeze(),
        }
    }

    /// Whether more pieces may have to be changed.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.held.is_some()
    }

    /// What was held back when the stream ended.
    #[must_use]
    pub fn finish(self) -> Option<Bytes> {
        self.held.filter(|held| !held.is_empty()).map(BytesMut::freeze)
    }

    fn event(&self, event: &[u8]) -> BytesMut {
        let unchanged = || BytesMut::from(event);
        let Ok(text) = std::str::from_utf8(event) else { return unchanged() };
        // What would not have been held back in pieces is not changed as a whole either.
        if event.len() > MAX_FIRST_EVENT || !may_be_endpoint(event) {
            return unchanged();
        }
        if !lines(text).any(|(line, _)| value(line, "event") == Some("endpoint")) {
            return unchanged();
        }
        let mut out = BytesMut::with_capacity(2 * event.len());
        for (line, end) in lines(text) {
            match value(line, "data").and_then(|url| self.public.translate(url)) {
                Some(url) => {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(url.as_bytes());
                }
                None => out.extend_from_slice(line.as_bytes()),
            }
            out.extend_from_slice(end.as_bytes());
        }
        out
    }
}

enum Start {
    /// The first event; before it are only comments.
    Event(Range<usize>),
    /// The first event is not whole; before this index are only comments, which may go out.
    Unfinished(usize),
}

/// Finds the first event that has a field.
fn first_event(bytes: &[u8]) -> Start {
    let (mut start, mut line, mut has_field) = (0, 0, false);
    while let Some((end, next)) = line_end(&bytes[line..]) {
        let first = bytes[line..line + end].first();
        line += next;
        match first {
            None if has_field => return Start::Event(start..line),
            None | Some(b':') if !has_field => start = line,
            None | Some(b':') => {}
            Some(_) => has_field = true,
        }
    }
    Start::Unfinished(start)
}

/// Whether an event that begins like this can still turn out to be an `endpoint` whose URL has an authority. Whatever cannot
/// is not held back: its pieces go out as they come.
fn may_be_endpoint(start: &[u8]) -> bool {
    // A character that is cut in two at the end is in no line that matters here.
    let text = String::from_utf8_lossy(start);
    lines(&text).all(|(line, end)| {
        if line.is_empty() {
            return true;
        }
        if let Some(name) = value(line, "event") {
            return if end.is_empty() { "endpoint".starts_with(name) } else { name == "endpoint" };
        }
        let Some(url) = value(line, "data") else {
            let is_whole = !end.is_empty();
            return FIELDS.iter().any(|field| line.starts_with(field) || (!is_whole && field.starts_with(line)));
        };
        ["http://", "https://", "//"].iter().any(|scheme| {
            let known = url.len().min(scheme.len());
            (end.is_empty() || known == scheme.len())
                && url.as_bytes()[..known].eq_ignore_ascii_case(&scheme.as_bytes()[..known])
        })
    })
}

/// Where the first line ends and the next one begins, when its end is there: LF, CR or both (HTML §9.2.5).
fn line_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let is_pair = bytes[end..].starts_with(b"\r\n");
    Some((end, end + if is_pair { 2 } else { 1 }))
}

/// The lines of `text`, each with its end; that of the last one may be missing.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (end, next) = line_end(rest.as_bytes()).unwrap_or((rest.len(), rest.len()));
        let line = (&rest[..end], &rest[end..next]);
        rest = &rest[next..];
        Some(line)
    })
}

/// The value of a line `field: value` (HTML §9.2.6).
fn value<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let value = line.strip_prefix(field)?.strip_prefix(':')?;
    Some(value.strip_prefix(' ').unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use http::uri::{Authority, Scheme};
    use proptest::prelude::*;

    use super::*;
    use crate::upstream::Own;

    fn endpoint() -> Endpoint {
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"));
        let own = Own::new(&"http://127.0.0.1:8090/sse".parse().unwrap(), None);
        let public = PublicOrigin::new(own, Scheme::HTTPS, Authority::from_static("cool.relay.test"));
        Endpoint::new(&fields, &public).unwrap()
    }

    fn rewritten(pieces: &[&str]) -> String {
        let mut endpoint = endpoint();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&endpoint.rewrite(Bytes::copy_from_slice(piece.as_bytes())));
        }
        out.extend_from_slice(&endpoint.finish().unwrap_or_default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn absolute_local_urls_become_public() {
        for (data, expected) in [
            ("http://127.0.0.1:8090/messages?s=1", "https://cool.relay.test/messages?s=1"),
            ("http://localhost:8090/messages", "https://cool.relay.test/messages"),
            ("http://0.0.0.0:8090/messages", "https://cool.relay.test/messages"),
            ("//127.0.0.1:8090/messages", "https://cool.relay.test/messages"),
            ("//elsewhere.test/messages", "//elsewhere.test/messages"),
            ("/messages?s=1", "/messages?s=1"),
            ("http://127.0.0.1:9999/messages", "http://127.0.0.1:9999/messages"),
            ("https://elsewhere.test/messages", "https://elsewhere.test/messages"),
        ] {
            let event = |url: &str| format!(": hi\n\nevent: endpoint\ndata: {url}\n\nevent: message\ndata: {{}}\n\n");
            assert_eq!(rewritten(&[&event(data)]), event(expected));
            let crlf = |url: &str| format!("event:endpoint\r\ndata: {url}\r\n\r\n");
            assert_eq!(rewritten(&[&crlf(data)]).replace("data:h", "data: h"), crlf(expected),);
        }
    }

    #[test]
    fn only_the_first_event_and_only_an_endpoint() {
        let later = "data: a\n\nevent: endpoint\ndata: http://127.0.0.1:8090/m\n\n";
        assert_eq!(rewritten(&[later]), later);
        let message = "event: message\ndata: http://127.0.0.1:8090/m\n\n";
        assert_eq!(rewritten(&[message]), message);
    }

    #[test]
    fn nothing_is_held_for_long() {
        let mut endpoint = endpoint();
        assert_eq!(endpoint.rewrite(Bytes::from_static(b": comment\n\n")), ": comment\n\n");
        assert_eq!(endpoint.rewrite(Bytes::from_static(b"event: ")), "");
        assert_eq!(endpoint.rewrite(Bytes::from_static(b"mess")), "event: mess");
        assert_eq!(endpoint.rewrite(Bytes::from_static(b"age\nda")), "age\nda");
    }

    #[test]
    fn only_what_may_be_an_endpoint_is_held() {
        for start in [
            "",
            "e",
            "event",
            "event:",
            "event: end",
            "event: endpoint",
            "event: endpoint\n",
            "id: 1\n",
            "data:",
            "data: ",
            "data: htt",
            "data: /",
            "data: //127",
            "data: HTTP://127.0.0.1:8090/m\n",
            "event:endpoint\rdata: https://x",
            "id",
            ": comment\ne",
        ] {
            assert!(may_be_endpoint(start.as_bytes()), "{start:?}");
        }
        for start in [
            "event: m",
            "event: endpoints",
            "event: end\n",
            "event:\n",
            "data: /m",
            "data: {",
            "data: http\n",
            "data: http:/x",
            "event: endpoint\ndata: /m",
            "id: 1\r\ndata: 1",
            "data:\n",
            "{",
            "eventual",
            "data\n",
        ] {
            assert!(!may_be_endpoint(start.as_bytes()), "{start:?}");
        }
    }

    #[test]
    fn lines_may_end_with_cr_alone() {
        let event = |url: &str| format!(": hi\r\revent: endpoint\rdata: {url}\r\rdata: 1\r\r");
        assert_eq!(rewritten(&[&event("http://127.0.0.1:8090/m")]), event("https://cool.relay.test/m"));
    }

    proptest! {
        /// However a stream without an absolute endpoint is cut up, every byte comes out, in order.
        #[test]
        fn every_byte_comes_out(text in "(event: (endpoint|message)|data: (/m|htt)|:c|id: 1|[\r\n]|\n){0,12}", cut in 0usize..60) {
            let at = cut.min(text.len());
            let (head, tail) = text.split_at(at);
            prop_assert_eq!(rewritten(&[head, tail]), text);
        }

        /// Neither does what stands around the URL: bytes that are no text, more lines, other line ends.
        #[test]
        fn cuts_never_matter(
            lines in prop::collection::vec(
                prop::sample::select(vec![
                    &b"event: endpoint"[..], b"event: e", b"data: http://localhost:8090/m", b"data: /m", b": \xff",
                    b"id: \xff", b"", b"\r", b"\r\n",
                ]),
                0..8,
            ),
        ) {
            let bytes = lines.join(&b'\n');
            let pieces = |size: usize| {
                let mut endpoint = endpoint();
                let mut out: Vec<u8> =
                    bytes.chunks(size).flat_map(|piece| endpoint.rewrite(Bytes::copy_from_slice(piece))).collect();
                out.extend_from_slice(&endpoint.finish().unwrap_or_default());
                out
            };
            prop_assert_eq!(pieces(1), pieces(usize::MAX));
        }

        #[test]
        fn cuts_do_not_matter(cut in 0usize..64) {
            let text = "event: endpoint\r\ndata: http://localhost:8090/messages/?id=1\r\n\r\n: x\n\n";
            let (head, tail) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(rewritten(&[head, tail]), rewritten(&[text]));
        }
    }
}
