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
    /// It may, or not, have been closed.
    Either,
    /// Something is missing to the end, and the caller ends the connection.
    CallerLeaves,
}

use crate::smuggling::SMUGGLED;
use After::{CallerLeaves, Closed, Either, Open};

/// One way to say something in two ways.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// `$AUTH` stands for `Host` and a token, `$HOST` for `Host` alone, `$SMUGGLED` for a whole request with a token,
    /// `$NAME` for the host's name, `$TOKEN` for the token, `$LEN` and `$HEXLEN` for that request's length, `$LONG` for 17 KiB, `$THIRD` for 6.
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

impl Case {
    /// The local server may have seen the head of it, but not its end.
    const fn broken(self) -> Self {
        Self { is_broken_body: true, ..self }
    }
}

/// A case that has something in it to be seen.
const fn passes(name: &'static str, bytes: &'static [u8], answers: &'static [u16], after: After, saw: Saw) -> Case {
    Case { name, bytes, answers, after, saw, is_broken_body: false }
}

/// A head that is not HTTP, or not clear: 400, and the end.
const fn refused(name: &'static str, bytes: &'static [u8]) -> Case {
    passes(name, bytes, &[400], Closed, &[])
}

/// A body that is not HTTP: 400, and the end.
const fn broken(name: &'static str, bytes: &'static [u8]) -> Case {
    passes(name, bytes, &[400], Closed, &[]).broken()
}

/// A request that is all right, and behind it something that is none.
const fn broken_after(name: &'static str, bytes: &'static [u8]) -> Case {
    passes(name, bytes, &[200, 400], Closed, EMPTY)
}

/// A `POST` with this chunked body.
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

/// What is seen of a body whose length is the same in all the ways to say it.
const FIVE: Saw = &[("POST", "/case", 5)];
const EMPTY: Saw = &[("POST", "/case", 0)];
const GET: Saw = &[("GET", "/case", 0)];
/// Two requests, each with a token of its own.
const BOTH: Saw = &[("POST", "/case", 0), ("GET", "/smuggled", 0)];

pub(crate) const CASES: &[Case] = &[
    // Content-Length and Transfer-Encoding (RFC 9112 §6.1).
    refused("CL.TE", te!("Content-Length: 6\r\nTransfer-Encoding: chunked")),
    refused("TE before CL", te!("Transfer-Encoding: chunked\r\nContent-Length: 6")),
    refused("CL.TE with a length that is none", te!("Transfer-Encoding: chunked\r\nContent-Length: x")),
    refused("a length that is none before TE", te!("Content-Length: x\r\nTransfer-Encoding: chunked")),
    refused("TE between two lengths", te!("Content-Length: 6\r\nTransfer-Encoding: chunked\r\nContent-Length: 7")),
    refused("TE.CL: what the length holds is no chunk", cl!("Content-Length: $LEN\r\nTransfer-Encoding: chunked")),
    // Transfer-Encoding that one parser takes for chunked and another does not.
    passes("TE in capitals", te!("TRANSFER-ENCODING: CHUNKED"), &[200, 200], Open, BOTH),
    passes("TE after a tab", te!("Transfer-Encoding:\tchunked"), &[200, 200], Open, BOTH),
    passes("TE without a space", te!("Transfer-Encoding:chunked"), &[200, 200], Open, BOTH),
    passes("TE with spaces around", te!("Transfer-Encoding:  chunked \t "), &[200, 200], Open, BOTH),
    refused("TE: x-chunked", te!("Transfer-Encoding: x-chunked")),
    refused("TE: xchunked and CL", cl!("Content-Length: $LEN\r\nTransfer-Encoding: xchunked")),
    refused("TE: chunked, identity", te!("Transfer-Encoding: chunked, identity")),
    refused("TE: identity, chunked", te!("Transfer-Encoding: identity, chunked")),
    refused("TE: gzip, chunked", te!("Transfer-Encoding: gzip, chunked")),
    refused("TE: identity", cl!("Content-Length: $LEN\r\nTransfer-Encoding: identity")),
    refused("TE: chunked twice in a line", te!("Transfer-Encoding: chunked, chunked")),
    refused("TE: chunked in two lines", te!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
    refused("TE: chunked, then identity in a line", te!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")),
    refused("TE: identity, then chunked in a line", te!("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked")),
    refused("TE with a comma behind", te!("Transfer-Encoding: chunked,")),
    refused("TE with a comma before", te!("Transfer-Encoding: ,chunked")),
    refused("TE with a parameter", te!("Transfer-Encoding: chunked;q=1")),
    refused("TE in quotes", te!("Transfer-Encoding: \"chunked\"")),
    refused("TE with a vertical tab", te!("Transfer-Encoding: \x0bchunked")),
    refused("TE with a form feed", te!("Transfer-Encoding: chunked\x0c")),
    refused("TE with a NUL", te!("Transfer-Encoding: chunked\0")),
    refused(
        "TE with a byte over ASCII",
        b"POST /case-$N HTTP/1.1\r\n$AUTH\r\nTransfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n$SMUGGLED",
    ),
    refused("TE that is empty", te!("Transfer-Encoding:")),
    refused("TE with a space before the colon", te!("Transfer-Encoding : chunked")),
    refused("TE with a tab before the colon", te!("Transfer-Encoding\t: chunked")),
    refused("TE without a colon", te!("Transfer-Encoding chunked")),
    refused("TE folded", te!("Transfer-Encoding:\r\n chunked")),
    refused("TE in a folded line of another field", te!("X: y\r\n Transfer-Encoding: chunked")),
    refused("TE behind a bare CR", te!("X: y\rTransfer-Encoding: chunked")),
    passes(
        "TE with an underscore is another field",
        cl!("Content-Length: $LEN\r\nTransfer_Encoding: chunked"),
        &[200],
        Open,
        &[("POST", "/case", SMUGGLED)],
    ),
    refused(
        "TE in HTTP/1.0",
        b"POST /case-$N HTTP/1.0\r\n$AUTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$SMUGGLED",
    ),
    refused(
        "TE and CL in HTTP/1.0",
        b"POST /case-$N HTTP/1.0\r\n$AUTH\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$SMUGGLED",
    ),
    // Content-Length (RFC 9110 §8.6).
    passes("a body that is a request", cl!("Content-Length: $LEN"), &[200], Open, &[("POST", "/case", SMUGGLED)]),
    refused("CL twice, the same", cl!("Content-Length: $LEN\r\nContent-Length: $LEN")),
    passes("CL with zeros before", cl!("Content-Length: 00$LEN"), &[200], Open, &[("POST", "/case", SMUGGLED)]),
    passes("CL.0: nothing, and then a request of its own", cl!("Content-Length: 0"), &[200, 200], Open, BOTH),
    passes(
        "0.CL: a GET with a body that is a request",
        b"GET /case-$N HTTP/1.1\r\n$AUTH\r\nContent-Length: $LEN\r\n\r\n$SMUGGLED",
        &[200],
        Open,
        &[("GET", "/case", SMUGGLED)],
    ),
    passes(
        "0.CL: a HEAD with a body that is a request",
        b"HEAD /case-$N HTTP/1.1\r\n$AUTH\r\nContent-Length: $LEN\r\n\r\n$SMUGGLED",
        &[200],
        Open,
        &[("HEAD", "/case", SMUGGLED)],
    ),
    passes(
        "an OPTIONS with a body that is a request",
        b"OPTIONS /case-$N HTTP/1.1\r\n$AUTH\r\nContent-Length: $LEN\r\n\r\n$SMUGGLED",
        &[200],
        Open,
        &[("OPTIONS", "/case", SMUGGLED)],
    ),
    passes(
        "a GET with a chunked body",
        b"GET /case-$N HTTP/1.1\r\n$AUTH\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        &[200],
        Open,
        &[("GET", "/case", 5)],
    ),
    refused("CL twice, different", cl!("Content-Length: 0\r\nContent-Length: $LEN")),
    refused("CL twice in a line", cl!("Content-Length: $LEN, $LEN")),
    refused("CL twice in a line, different", cl!("Content-Length: 0, $LEN")),
    refused("CL with a comma behind", cl!("Content-Length: $LEN,")),
    refused("CL with a plus", cl!("Content-Length: +$LEN")),
    refused("CL below zero", cl!("Content-Length: -1")),
    refused("CL in hexadecimal", cl!("Content-Length: 0x$HEXLEN")),
    refused("CL with a point", cl!("Content-Length: 0.0")),
    refused("CL with an exponent", cl!("Content-Length: 1e1")),
    refused("CL with an underscore", cl!("Content-Length: 1_0")),
    refused("CL with a space in it", cl!("Content-Length: 1 0")),
    refused("CL in quotes", cl!("Content-Length: \"0\"")),
    refused("CL that is empty", cl!("Content-Length: ")),
    refused("CL over 64 bits", cl!("Content-Length: 18446744073709551616")),
    refused("CL of 64 bits", cl!("Content-Length: 18446744073709551615")),
    refused("CL with a NUL", cl!("Content-Length: 0\0")),
    refused("CL with a space before the colon", cl!("Content-Length : $LEN")),
    refused("CL folded", cl!("Content-Length: 0\r\n 0")),
    refused("CL behind a bare CR", cl!("X: y\rContent-Length: $LEN")),
    passes("CL with an underscore is another field", cl!("Content_Length: $LEN"), &[200, 200], Open, BOTH),
    passes(
        "a body that does not come",
        b"POST /case-$N HTTP/1.1\r\n$AUTH\r\nContent-Length: 1000\r\n\r\n$SMUGGLED",
        &[400],
        CallerLeaves,
        &[],
    )
    .broken(),
    // Lines (RFC 9112 §2.2).
    refused("bare LFs for all ends of lines", b"GET /case-$N HTTP/1.1\nHost: $NAME\nX-API-Key: $TOKEN\n\n$SMUGGLED"),
    refused("a bare LF behind the request line", b"GET /case-$N HTTP/1.1\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a bare LF before the request line", b"\nGET /case-$N HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a length behind a bare LF", cl!("X: y\nContent-Length: $LEN")),
    refused("TE behind a bare LF", te!("Content-Length: 6\r\nX: y\nTransfer-Encoding: chunked")),
    refused("a bare LF for the empty line", b"POST /case-$N HTTP/1.1\r\n$AUTH\r\nContent-Length: $LEN\r\n\n$SMUGGLED"),
    refused(
        "the body's length behind an empty line of bare LFs",
        b"POST /case-$N HTTP/1.1\r\n$AUTH\r\n\nContent-Length: 0\r\n\r\n$SMUGGLED",
    ),
    refused("a bare CR in a value", line!("X: a\rb")),
    refused("a bare CR for a line's end", b"GET /case-$N HTTP/1.1\r\n$AUTH\r\nX: y\r\r\n$SMUGGLED"),
    refused("a bare CR before the empty line", b"GET /case-$N HTTP/1.1\r\n$AUTH\r\n\r\r\n$SMUGGLED"),
    refused("a bare CR behind the request line", b"GET /case-$N HTTP/1.1\rX: y\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a folded line", line!("X: a\r\n b")),
    refused("a folded line behind a tab", line!("X: a\r\n\tb")),
    refused("a first line that is folded", b"GET /case-$N HTTP/1.1\r\n X: y\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a space before the colon", line!("X : y")),
    refused("no colon", line!("X")),
    refused("no name", line!(": y")),
    refused("a name with a space", line!("X Y: z")),
    refused("a name with a NUL", line!("X\0: y")),
    refused("a value with a NUL", line!("X: a\0b")),
    refused("a name with a byte over ASCII", b"GET /case-$N HTTP/1.1\r\n$AUTH\r\nX\xff: y\r\n\r\n$SMUGGLED"),
    passes(
        "a value with bytes over ASCII",
        b"GET /case-$N HTTP/1.1\r\n$AUTH\r\nX: \xe4\xff\r\n\r\n",
        &[200],
        Open,
        GET,
    ),
    passes("empty lines before the request", b"\r\n\r\nGET /case-$N HTTP/1.1\r\n$AUTH\r\n\r\n", &[200], Open, GET),
    // Chunks (RFC 9112 §7.1).
    passes("chunks", chunked!("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), &[200], Open, FIVE),
    passes("a chunk's size with zeros before", chunked!("0005\r\nhello\r\n000\r\n\r\n"), &[200], Open, FIVE),
    broken("a chunk's size of more than 16 digits", chunked!("00000000000000005\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    passes(
        "a chunk that is a request",
        chunked!("$HEXLEN\r\n$SMUGGLED\r\n0\r\n\r\n"),
        &[200],
        Open,
        &[("POST", "/case", SMUGGLED)],
    ),
    broken("a chunk's size with spaces behind", chunked!("5 \t \r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("chunk extensions", chunked!("5;a;b=c;d=\"e;f\"\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("an extension of the last chunk", chunked!("5\r\nhello\r\n0;a\r\n\r\n$SMUGGLED")),
    broken("a chunk extension over its limit", chunked!("5;a=$LONG\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken(
        "chunk extensions over their limit together",
        chunked!("1;a=$THIRD\r\nh\r\n1;a=$THIRD\r\nh\r\n1;a=$THIRD\r\nh\r\n0\r\n\r\n$SMUGGLED"),
    ),
    broken("TERM.EXT: a bare LF in a chunk extension", chunked!("5;\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("EXT.TERM: a bare LF behind a chunk's size", chunked!("5\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a bare CR in a chunk extension", chunked!("5;a\rb\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a line's end in a quoted chunk extension", chunked!("5;a=\"\r\nhello\"\r\n0\r\n\r\n$SMUGGLED")),
    broken("TERM.SPILL: a chunk that ends with a bare LF", chunked!("5\r\nhello\n0\r\n\r\n$SMUGGLED")),
    broken("SPILL.TERM: a chunk that ends with a bare CR", chunked!("5\r\nhello\r0\r\n\r\n$SMUGGLED")),
    broken("a chunk without an end", chunked!("5\r\nhello0\r\n\r\n$SMUGGLED")),
    broken("a chunk that is longer than its size", chunked!("5\r\nhello, world\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk that is followed by two bytes of anything", chunked!("5\r\nhelloXX0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size that is empty", chunked!("\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size with a plus", chunked!("+5\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size below zero", chunked!("-5\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size with 0x", chunked!("0x5\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size with a space before", chunked!(" 5\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size with a space in it", chunked!("0 5\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size with an underscore", chunked!("0_5\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size with something behind", chunked!("5 x\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size with a NUL", chunked!("5\0\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken("a chunk's size over 64 bits", chunked!("10000000000000005\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    broken(
        "a chunk's size over 128 bits",
        chunked!("100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n$SMUGGLED"),
    ),
    broken("a last chunk without its empty line", chunked!("5\r\nhello\r\n0\r\n$SMUGGLED")),
    broken("a last chunk with a bare LF", chunked!("5\r\nhello\r\n0\r\n\n$SMUGGLED")),
    passes("chunks that end early, and a request of its own", chunked!("0\r\n\r\n$SMUGGLED"), &[200, 200], Open, BOTH),
    broken_after("chunks that end early, and more chunks", chunked!("0\r\n\r\n5\r\nhello\r\n0\r\n\r\n$SMUGGLED")),
    passes("chunks without an end", chunked!("5\r\nhello\r\n"), &[400], CallerLeaves, &[]).broken(),
    // Trailers (RFC 9110 §6.5.1).
    passes(
        "trailers about the body's length",
        chunked!("5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n"),
        &[200],
        Open,
        FIVE,
    ),
    passes(
        "trailers about who and where",
        chunked!("5\r\nhello\r\n0\r\nHost: other.relay.test\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n"),
        &[200],
        Open,
        FIVE,
    ),
    broken("a trailer without a colon", chunked!("5\r\nhello\r\n0\r\nX\r\n\r\n$SMUGGLED")),
    broken("a trailer with a space before the colon", chunked!("5\r\nhello\r\n0\r\nX : y\r\n\r\n$SMUGGLED")),
    broken("a trailer with a bare CR", chunked!("5\r\nhello\r\n0\r\nX: y\rZ: z\r\n\r\n$SMUGGLED")),
    broken("a trailer that is folded", chunked!("5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n$SMUGGLED")),
    // Versions.
    refused("HTTP/0.9", b"GET /case-$N\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("HTTP/2.0", b"GET /case-$N HTTP/2.0\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("HTTP/1.2", b"GET /case-$N HTTP/1.2\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("HTTP/1.01", b"GET /case-$N HTTP/1.01\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("http in small letters", b"GET /case-$N http/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n$SMUGGLED"),
    passes(
        "HTTP/1.0 ends with its answer",
        b"POST /case-$N HTTP/1.0\r\n$AUTH\r\nContent-Length: 0\r\n\r\n$SMUGGLED",
        &[200],
        Closed,
        EMPTY,
    ),
    // The request line.
    refused("a request line with tabs", b"GET\t/case-$N\tHTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a request line with two spaces", b"GET  /case-$N HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a request line with a space behind", b"GET /case-$N HTTP/1.1 \r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a target with a space", b"GET /case-$N /x HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a target with a NUL", b"GET /case-$N\0 HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a target with a bare CR", b"GET /case-$N\r/x HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a target that is no path", b"GET case-$N HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a target that is a host", b"GET $NAME HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a target with a fragment", b"GET /case-$N#/x HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a target with a fragment before its query", b"GET /case-$N#f?x HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("an absolute target of another scheme", b"GET ftp://$NAME/case-$N HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a target with bytes that are not UTF-8", b"GET /case-$N?\xff\xfe HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a method with a colon", b"GET: /case-$N HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("a method with a NUL", b"G\0T /case-$N HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    refused("no method", b" /case-$N HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED"),
    passes("an absolute target", b"GET http://$NAME/case-$N HTTP/1.1\r\n$AUTH\r\n\r\n", &[200], Open, GET),
    passes(
        "an absolute target of another host",
        b"GET http://other.relay.test/case-$N HTTP/1.1\r\n$AUTH\r\n\r\n",
        &[421],
        Open,
        &[],
    ),
    passes(
        "another host's request in the body of a refused one",
        b"POST http://other.relay.test/case-$N HTTP/1.1\r\n$AUTH\r\nContent-Length: $LEN\r\n\r\n$SMUGGLED",
        &[421],
        Open,
        &[],
    ),
    passes("two hosts", line!("Host: other.relay.test"), &[400, 200], Open, &[("GET", "/smuggled", 0)]),
    passes(
        "CONNECT",
        b"CONNECT $NAME:443 HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED",
        &[405, 200],
        Open,
        &[("GET", "/smuggled", 0)],
    ),
    passes(
        "CONNECT with a body",
        b"CONNECT $NAME:443 HTTP/1.1\r\n$AUTH\r\nContent-Length: $LEN\r\n\r\n$SMUGGLED",
        &[405],
        Open,
        &[],
    ),
    // Requests behind each other.
    passes(
        "a request behind a request",
        b"GET /case-$N HTTP/1.1\r\n$AUTH\r\n\r\n$SMUGGLED",
        &[200, 200],
        Open,
        &[("GET", "/case", 0), ("GET", "/smuggled", 0)],
    ),
    passes(
        "a request behind a refused one",
        b"GET /case-$N HTTP/1.1\r\n$HOST\r\n\r\n$SMUGGLED",
        &[401, 200],
        Open,
        &[("GET", "/smuggled", 0)],
    ),
    passes(
        "a request without a token behind one with",
        b"GET /case-$N HTTP/1.1\r\n$AUTH\r\n\r\nGET /smuggled-$N HTTP/1.1\r\n$HOST\r\n\r\n",
        &[200, 401],
        Open,
        GET,
    ),
    passes(
        "a request in the unread body of a refused one",
        b"POST /case-$N HTTP/1.1\r\n$HOST\r\nContent-Length: $LEN\r\n\r\n$SMUGGLED",
        &[401],
        Open,
        &[],
    ),
    passes(
        "a request in the unread chunk of a refused one",
        b"POST /case-$N HTTP/1.1\r\n$HOST\r\nTransfer-Encoding: chunked\r\n\r\n$HEXLEN\r\n$SMUGGLED\r\n0\r\n\r\n",
        &[401],
        Open,
        &[],
    ),
    passes(
        "a request behind the broken chunks of a refused one",
        b"POST /case-$N HTTP/1.1\r\n$HOST\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n$SMUGGLED",
        &[401],
        Closed,
        &[],
    ),
    refused(
        "a request behind a refused one with both lengths",
        b"POST /case-$N HTTP/1.1\r\n$HOST\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$SMUGGLED",
    ),
    passes("a request behind one that ends the connection", line!("Connection: close"), &[200], Closed, GET),
    // Expect (RFC 9110 §10.1.1).
    passes(
        "Expect, and the body without a wait",
        cl!("Content-Length: $LEN\r\nExpect: 100-continue"),
        &[100, 200],
        Open,
        &[("POST", "/case", SMUGGLED)],
    ),
    // Who says its body without a wait may find it read over, or the connection closed.
    passes(
        "Expect of a refused request",
        b"POST /case-$N HTTP/1.1\r\n$HOST\r\nContent-Length: $LEN\r\nExpect: 100-continue\r\n\r\n$SMUGGLED",
        &[401],
        Either,
        &[],
    ),
    passes("Expect without a body", cl!("Content-Length: 0\r\nExpect: 100-continue"), &[200, 200], Open, BOTH),
    passes(
        "Expect of a GET without a length",
        line!("Expect: 100-continue"),
        &[200, 200],
        Open,
        &[("GET", "/case", 0), ("GET", "/smuggled", 0)],
    ),
    passes(
        "Expect with a line before it",
        cl!("Content-Length: $LEN\r\nExpect: y 100-continue"),
        &[200],
        Open,
        &[("POST", "/case", SMUGGLED)],
    ),
    passes(
        "Expect in HTTP/1.0",
        b"POST /case-$N HTTP/1.0\r\n$AUTH\r\nContent-Length: $LEN\r\nExpect: 100-continue\r\n\r\n$SMUGGLED",
        &[200],
        Closed,
        &[("POST", "/case", SMUGGLED)],
    ),
    // Upgrade (RFC 9110 §7.8): a connection of HTTP/2 inside would carry requests that the edge never sees.
    passes(
        "Upgrade: h2c",
        line!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"),
        &[200, 200],
        Open,
        &[("GET", "/case", 0), ("GET", "/smuggled", 0)],
    ),
    passes(
        "Upgrade: h2c among others",
        line!("Connection: Upgrade\r\nUpgrade: foo, H2C"),
        &[200, 200],
        Open,
        &[("GET", "/case", 0), ("GET", "/smuggled", 0)],
    ),
    passes(
        "Upgrade: HTTP/2.0",
        line!("Connection: Upgrade\r\nUpgrade: HTTP/2.0"),
        &[200, 200],
        Open,
        &[("GET", "/case", 0), ("GET", "/smuggled", 0)],
    ),
    passes(
        "Upgrade: TLS/1.0",
        line!("Connection: Upgrade\r\nUpgrade: TLS/1.0"),
        &[200, 200],
        Open,
        &[("GET", "/case", 0), ("GET", "/smuggled", 0)],
    ),
    passes(
        "Upgrade with a body",
        cl!("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: $LEN"),
        &[200],
        Open,
        &[("POST", "/case", SMUGGLED)],
    ),
    // Fields that `Connection` would take away from whoever looks next.
    passes(
        "Connection names the token and the length",
        cl!("Connection: authorization, content-length, host\r\nContent-Length: $LEN"),
        &[200],
        Open,
        &[("POST", "/case", SMUGGLED)],
    ),
];
