//! Where a request's head ends, and what of a head is refused before anything acts on it: whatever one parser could read
//! in another way than the next one (RFC 9112 §11.2). hyper takes some of it, and answers the rest without a body.

use std::mem::MaybeUninit;
use std::ops::Range;

use gantz_shared::limits::MAX_FIELDS;
use http::{Method, Uri};
use memchr::memchr;

use crate::edge::answer::Failure;
use crate::edge::route::{check_asterisk, check_scheme};

/// What of a head may be how large.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes, with the first line.
    pub(super) bytes: usize,
    /// Field lines.
    pub(super) fields: usize,
}

/// How the body behind a head is delimited (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; mostly none.
    Length(u64),
    Chunked,
}

/// Looks for the end of a head that comes in pieces, each byte once.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Where the first line begins: empty ones before it are nothing (RFC 9112 §2.2).
    start: usize,
    /// Where the line begins that has no end yet.
    line: usize,
}

impl Search {
    /// Where in `bytes` the head is, once all of it is there. `bytes` have grown since the last call.
    pub(super) fn find(&mut self, bytes: &[u8], bounds: Bounds) -> Result<Option<Range<usize>>, Failure> {
        while let Some(length) = bytes.get(self.line..).and_then(|rest| memchr(b'\n', rest)) {
            let end = self.line + length;
            // A bare LF is a line's end for some parsers and a part of the line for others (RFC 9112 §2.2).
            let Some((b'\r', line)) = bytes[self.line..end].split_last() else {
                return Err(Failure::BadRequest("A line of the head does not end with CRLF."));
            };
            if line.is_empty() && self.line > self.start {
                return if end < bounds.bytes { Ok(Some(self.start..end + 1)) } else { Err(too_large(bounds)) };
            }
            if line.is_empty() {
                self.start = end + 1;
            }
            self.line = end + 1;
        }
        if bytes.len() < bounds.bytes { Ok(None) } else { Err(too_large(bounds)) }
    }
}

fn too_large(bounds: Bounds) -> Failure {
    Failure::HeadTooLarge { bytes: bounds.bytes, fields: bounds.fields }
}

/// Reads a whole head and says what follows it.
pub(super) fn check(bytes: &[u8], bounds: Bounds) -> Result<Framing, Failure> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut []);
    match head.parse_with_uninit_headers(bytes, fields.get_mut(..bounds.fields).unwrap_or_default()) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(Failure::BadRequest("The head is not one of HTTP/1.1.")),
        Err(error) => return Err(malformed(error, bounds)),
    }
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(Failure::BadRequest("The first line is not one of HTTP/1.1."));
    };
    check_target(method, target)?;
    framing(head.headers, version)
}

fn malformed(error: httparse::Error, bounds: Bounds) -> Failure {
    use httparse::Error as E;
    match error {
        E::TooManyHeaders => too_large(bounds),
        E::HeaderName => Failure::BadRequest("The name of a field has a character that names do not have."),
        E::HeaderValue => Failure::BadRequest("The value of a field has a character that values do not have."),
        E::NewLine => Failure::BadRequest("A line of the head does not end with CRLF."),
        E::Token => Failure::BadRequest("The method or the target has a character that it must not have."),
        E::Version => Failure::BadRequest("The version is neither HTTP/1.1 nor HTTP/1.0."),
        E::Status => Failure::BadRequest("The head is not one of a request."),
    }
}

/// Refuses a target that is none (RFC 9112 §3.2).
fn check_target(method: &str, target: &str) -> Result<(), Failure> {
    // Most are a plain path, which needs no parser.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~?=&%+:,;@".contains(byte);
    if target.starts_with('/') && target.len() < 4096 && target.as_bytes().iter().all(is_plain) {
        return Ok(());
    }
    check_asterisk(method, target)?;
    // A fragment is for whoever has the answer, and no part of what is asked for; parsers cut it off, or do not.
    if target.contains('#') {
        return Err(Failure::BadRequest("The target has a fragment."));
    }
    let Ok(target) = target.parse::<Uri>() else {
        return Err(Failure::BadRequest("The target is neither a path nor a URL."));
    };
    // A host alone is what CONNECT asks for, and nothing else (RFC 9112 §3.2.3).
    if target.scheme().is_none() && target.authority().is_some() && method != Method::CONNECT.as_str() {
        return Err(Failure::BadRequest("The target is neither a path nor a URL."));
    }
    check_scheme(&target)
}

/// RFC 9112 §6 and §11.2, without its leniencies: one way to say a length, and said once.
fn framing(fields: &[httparse::Header<'_>], version: u8) -> Result<Framing, Failure> {
    let (mut length, mut is_chunked) = (None, false);
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            let number = decimal(field.value).ok_or(Failure::BadRequest("Content-Length is not one number."))?;
            if length.replace(number).is_some() {
                return Err(Failure::BadRequest("There is more than one Content-Length."));
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            // The edge decodes no other coding, and hands none on: a body that has one would come to the local server
            // as something that it is not.
            let is_alone = !std::mem::replace(&mut is_chunked, true);
            if !is_alone || !field.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Failure::BadRequest("Transfer-Encoding is not chunked alone."));
            }
        }
    }
    match (length, is_chunked) {
        (Some(_), true) => Err(Failure::BadRequest("There are both Content-Length and Transfer-Encoding.")),
        (None, true) if version == 0 => Err(Failure::BadRequest("HTTP/1.0 has no Transfer-Encoding.")),
        (None, true) => Ok(Framing::Chunked),
        (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// Longest body that can be said to follow: what 63 bits hold. hyper keeps the largest numbers for itself.
const MAX_LENGTH: u64 = i64::MAX as u64;

/// Digits, and nothing else (RFC 9110 §8.6).
fn decimal(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok().filter(|number| *number <= MAX_LENGTH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 256, fields: 8 };

    fn read(lines: &str) -> Result<Framing, Failure> {
        let text = format!("{lines}\r\n\r\n");
        assert_eq!(Search::default().find(text.as_bytes(), BOUNDS), Ok(Some(0..text.len())), "{lines}");
        check(text.as_bytes(), BOUNDS)
    }

    #[test]
    fn what_follows_a_head() {
        for (lines, framing) in [
            ("GET / HTTP/1.1", Framing::Length(0)),
            ("GET / HTTP/1.0", Framing::Length(0)),
            ("POST / HTTP/1.1\r\nContent-Length:  7 ", Framing::Length(7)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked", Framing::Chunked),
            ("OPTIONS * HTTP/1.1", Framing::Length(0)),
            ("CONNECT cool.relay.test:443 HTTP/1.1", Framing::Length(0)),
            ("GET http://cool.relay.test/ HTTP/1.1", Framing::Length(0)),
        ] {
            assert_eq!(read(lines), Ok(framing), "{lines}");
        }
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        for lines in [
            "POST / HTTP/1.1\r\nContent-Length: 7\r\nTransfer-Encoding: chunked",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 7",
            "POST / HTTP/1.1\r\nContent-Length: 7\r\nContent-Length: 7",
            "POST / HTTP/1.1\r\nContent-Length: 7, 7",
            "POST / HTTP/1.1\r\nContent-Length: +7",
            "POST / HTTP/1.1\r\nContent-Length: 9223372036854775808",
            "POST / HTTP/1.1\r\nContent-Length:",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked",
            "GET cool.relay.test HTTP/1.1",
            "GET /x#frag HTTP/1.1",
            "GET /x?a#frag?b HTTP/1.1",
            "GET /# HTTP/1.1",
            "GET http://cool.relay.test/#frag HTTP/1.1",
            "GET ftp://cool.relay.test/ HTTP/1.1",
            "GET / HTTP/1.1\r\nName : value",
            "GET / HTTP/1.1\r\nName: value\r\n folded",
            "GET / HTTP/2.0",
            "GET /",
        ] {
            assert!(matches!(read(lines), Err(Failure::BadRequest(_))), "{lines}: {:?}", read(lines));
        }
        let many = format!("GET / HTTP/1.1{}", "\r\na: b".repeat(9));
        assert!(matches!(read(&many), Err(Failure::HeadTooLarge { .. })));
    }

    #[test]
    fn empty_lines_before_a_head_are_not_its_end() {
        let text = "\r\n\r\nGET / HTTP/1.1\r\n\r\nGET";
        assert_eq!(Search::default().find(text.as_bytes(), BOUNDS), Ok(Some(4..text.len() - 3)));
    }

    #[test]
    fn a_bare_lf_and_a_head_without_an_end_are_refused() {
        for text in ["GET / HTTP/1.1\nHost: a\r\n\r\n", "\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\n"] {
            assert!(matches!(Search::default().find(text.as_bytes(), BOUNDS), Err(Failure::BadRequest(_))), "{text:?}");
        }
        let endless = format!("GET /{}", "x".repeat(256));
        assert!(matches!(Search::default().find(endless.as_bytes(), BOUNDS), Err(Failure::HeadTooLarge { .. })));
    }

    proptest! {
        /// However a head is cut, it ends where it ends.
        #[test]
        fn pieces_do_not_matter(text in "[a\r\n]{0,24}", cuts in proptest::collection::vec(0usize..25, 0..4)) {
            let whole = Search::default().find(text.as_bytes(), BOUNDS);
            let mut cuts = cuts;
            cuts.push(text.len());
            cuts.sort_unstable();
            let mut search = Search::default();
            let mut found = Ok(None);
            for cut in cuts {
                found = search.find(&text.as_bytes()[..cut.min(text.len())], BOUNDS);
                if found != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(found, whole);
        }
    }
}
