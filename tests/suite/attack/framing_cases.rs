//! What is said to the edge to make it and another parser of HTTP disagree on where a request ends, and what has to come
//! of it. The families are those of RFC 9112 §11.2 and of the literature: CL.TE, TE.CL, TE.TE, CL.0, 0.CL, line endings,
//! chunk sizes and extensions, versions, targets.

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum After {
    /// The next request on it is answered.
    Open,
    /// The edge closes it: whatever else was said is not looked at.
    Closed,
    /// Something is missing to the end, and the caller ends the connection.
    CallerLeaves,
}

use After::{CallerLeaves, Closed, Open};

/// One way to say something in two ways.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// `$AUTH` stands for `Host` and a token, `$HOST` for `Host` alone, `$SMUGGLED` for a whole request with a token,
    /// `$LEN` and `$HEXLEN` for that request's length, `$LONG` for 17 KiB.
    pub(crate) bytes: &'static [u8],
    /// The status codes that are answered.
    pub(crate) answers: &'static [u16],
    pub(crate) after: After,
    /// Method, path and body's length of each request that the local server sees whole.
    pub(crate) saw: &'static [(&'static str, &'static str, usize)],
    /// The head is good, and the body is not: whether the head has left by then is left open.
    pub(crate) is_broken_body: bool,
}

type Saw = &'static [(&'static str, &'static str, usize)];

/// A case that has something in it to be seen.
const fn passes(name: &'static str, bytes: &'static [u8], answers: &'static [u16], after: After, saw: Saw) -> Case {
    Case { name, bytes, answers, after, saw, is_broken_body: false }
}

/// A head that is not HTTP, or not clear: 400, and the end.
const fn refused(name: &'static str, bytes: &'static [u8]) -> Case {
    Case { name, bytes, answers: &[400], after: Closed, saw: &[], is_broken_body: false }
}

/// A body that is not HTTP: 400, and the end.
const fn broken(name: &'static str, bytes: &'static [u8]) -> Case {
    Case { name, bytes, answers: &[400], after: Closed, saw: &[], is_broken_body: true }
}

/// `POST` of five bytes in chunks.
macro_rules! chunked {
    ($body:literal) => {
        concat!("POST /case-$N HTTP/1.1\r\n$AUTH\r\nTransfer-Encoding: chunked\r\n\r\n", $body).as_bytes()
    };
}

/// A `POST` with these lines, whose body is an empty chunked one and a request behind it, or just bytes.
macro_rules! te {
    ($fields:literal) => {
        concat!("POST /case-$N HTTP/1.1\r\n$AUTH\r\n", $fields, "\r\n\r\n0\r\n\r\n$SMUGGLED").as_bytes()
    };
}

/// A `POST` with these lines, whose body, if it has one, is a request.
macro_rules! cl {
    ($fields:literal) => {
        concat!("POST /case-$N HTTP/1.1\r\n$AUTH\r\n", $fields, "\r\n\r\n$SMUGGLED").as_bytes()
    };
}

/// A `GET` with this line among its own.
macro_rules! line {
    ($line:literal) => {
        concat!("GET /case-$N HTTP/1.1\r\n$AUTH\r\n", $line, "\r\n\r\n$SMUGGLED").as_bytes()
    };
}

pub(crate) const CASES: &[Case] = &[
    // Both lengths (RFC 9112 §6.1).
    refused("CL.TE", te!("Content-Length: 6\r\nTransfer-Encoding: chunked")),
    refused("TE before CL", te!("Transfer-Encoding: chunked\r\nContent-Length: 6")),
    refused("TE.CL", chunked!("$HEXLEN\r\n$SMUGGLED\r\n0\r\n\r\n").split_at(0).1),
];
