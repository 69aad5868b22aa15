//! The agent's rewriting of the `endpoint` event: every byte comes out, and only an absolute URL of the local server
//! changes. The first byte says which local server, which public origin, and how the rest is cut up.

use bytes::Bytes;
use gantz_agent::upstream::{Endpoint, Own, PublicOrigin, Target};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, header};

use super::pieces::pieces;

/// Checks the rewriting on one stream.
pub fn check(data: &[u8]) {
    let Some((&plan, stream)) = data.split_first() else { return };
    let public = if plan & 1 == 0 { "https://cool.relay.test" } else { "http://localhost:8080" };
    let local = if plan & 2 == 0 { "127.0.0.1:8090" } else { "[::1]:8090" };
    let whole = rewritten(local, public, pieces(stream, 0));
    for cut in [1, plan >> 2] {
        assert_eq!(rewritten(local, public, pieces(stream, cut)), whole, "cut by {cut}");
    }
    only_urls_differ(stream, &whole, public);
}

fn rewritten<'a>(local: &str, public: &str, chunks: impl Iterator<Item = &'a [u8]>) -> String {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    let target: Target = format!("http://{local}/sse").parse().expect("a target");
    let (scheme, authority) = public.split_once("://").expect("an origin");
    let scheme: Scheme = scheme.parse().expect("a scheme");
    let authority: Authority = authority.parse().expect("an authority");
    let public = PublicOrigin::new(Own::new(&target, None), scheme, authority);
    let mut endpoint = Endpoint::new(&fields, &public).expect("an event stream is looked at");
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&endpoint.rewrite(Bytes::copy_from_slice(chunk)));
    }
    out.extend_from_slice(&endpoint.finish().unwrap_or_default());
    // Latin-1, so that any bytes compare and print.
    out.into_iter().map(char::from).collect()
}

/// Line by line the same, but for `data` lines with a URL, of which the origin became the public one.
fn only_urls_differ(before: &[u8], after: &str, public: &str) {
    let before: String = before.iter().copied().map(char::from).collect();
    let (old, new) = (lines(&before), lines(after));
    assert_eq!(old.len(), new.len());
    for ((old, old_end), (new, new_end)) in old.into_iter().zip(new) {
        assert_eq!(old_end, new_end);
        if old == new {
            continue;
        }
        let url = old.strip_prefix("data:").expect("only data changes");
        let path = new.strip_prefix("data: ").and_then(|new| new.strip_prefix(public)).expect("the public origin");
        let (scheme, rest) = url.split_once("://").expect("only absolute URLs change");
        assert!(["http", "https"].contains(&scheme.trim_start_matches(' ').to_ascii_lowercase().as_str()), "{old:?}");
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        assert!(path.starts_with('/') && (rest.ends_with(path) || path == "/"), "{old:?} became {new:?}");
    }
}

/// Lines and their ends: LF, CR or both (HTML §9.2.5).
fn lines(text: &str) -> Vec<(&str, &str)> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        let end = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        lines.push((&rest[..at], &rest[at..at + end]));
        rest = &rest[at + end..];
    }
    lines.push((rest, ""));
    lines
}
