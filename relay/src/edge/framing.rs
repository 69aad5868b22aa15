//! What hyper takes of HTTP/1 although another parser would read it differently: refused, and the connection closed, so
//! that nothing behind it is taken for a request (RFC 9112 §11.2).
//!
//! hyper itself refuses lengths that disagree, folded lines and names that are none; where a request has both lengths it
//! goes by the chunks, and closes after its answer (RFC 9112 §6.1).

use http::header::{self, HeaderMap};
use http::{Method, Request, Uri};

use super::answer::Failure;

/// Refuses a request whose end, or target, is not clear.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Failure> {
    if !is_clear(request.headers()) {
        return Err(Failure::BadRequest("Transfer-Encoding is not chunked alone."));
    }
    // A host alone is what CONNECT asks for, and nothing else (RFC 9112 §3.2.3).
    if *request.method() != Method::CONNECT && is_authority(request.uri()) {
        return Err(Failure::BadRequest("The target is neither a path nor a URL."));
    }
    Ok(())
}

/// hyper looks at the last coding only. The edge decodes no other, and hands no coding on: a body that has one would
/// come to the local server as something that it is not.
fn is_clear(fields: &HeaderMap) -> bool {
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).into_iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

fn is_authority(target: &Uri) -> bool {
    target.scheme().is_none() && target.authority().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let rows: &[(&str, &str, &[&str], bool)] = &[
            ("POST", "/", &[], true),
            ("POST", "/", &["chunked"], true),
            ("POST", "/", &["Chunked"], true),
            ("POST", "/", &["gzip, chunked"], false),
            ("POST", "/", &["chunked, chunked"], false),
            ("POST", "/", &[",chunked"], false),
            ("POST", "/", &["chunked", "chunked"], false),
            ("POST", "/", &["identity", "chunked"], false),
            ("OPTIONS", "*", &[], true),
            ("GET", "http://cool.relay.test/", &[], true),
            ("GET", "cool.relay.test", &[], false),
            ("GET", "cool.relay.test:443", &[], false),
            ("CONNECT", "cool.relay.test:443", &[], true),
        ];
        for (method, target, codings, is_fine) in rows {
            let mut request = Request::builder().method(*method).uri(*target);
            for coding in *codings {
                request = request.header(header::TRANSFER_ENCODING, *coding);
            }
            assert_eq!(check(&request.body(()).unwrap()).is_ok(), *is_fine, "{method} {target} {codings:?}");
        }
    }
}
