//! An agent that breaks the protocol: before the head it costs its caller a 502, after the head a reset, and nobody
//! else anything.

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use gantz_shared::reset::StreamCode;
use gantz_shared::wire::varint;
use gantz_tests::{client, relay, within};

use super::raw_agent::{data, head, hello, open};

/// How a lie ends.
#[derive(Debug, Clone, Copy)]
enum Then {
    Fin,
    Reset,
    /// The stream stays open.
    Nothing,
}

fn frame(kind: u8, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(&[kind][..]);
    varint::write(payload.len() as u64, &mut bytes);
    bytes.put_slice(payload);
    bytes.freeze()
}

/// The payload of an answer's head, as no encoder would make it.
fn payload(status: u16, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    bytes.put_u16(status);
    bytes.put_u8(0);
    for part in fields.iter().flat_map(|(name, value)| [name, value]) {
        varint::write(part.len() as u64, &mut bytes);
        bytes.put_slice(part.as_bytes());
    }
    bytes.to_vec()
}

fn all(parts: &[Bytes]) -> Bytes {
    parts.concat().into()
}

const END: Bytes = Bytes::from_static(&[3, 0]);

/// Lies in the place of the head, with the code that the caller gets.
fn before_the_head() -> Vec<(&'static str, Bytes, Then, &'static str)> {
    use Then::{Fin, Nothing, Reset};
    let lost = "tunnel_lost";
    let mut too_long = BytesMut::from(&[0u8][..]);
    varint::write(1 << 20, &mut too_long);
    let fields: Vec<_> = (0..129).map(|_| ("x", "y")).collect();
    vec![
        ("nothing", Bytes::new(), Fin, lost),
        ("a reset", Bytes::new(), Reset, lost),
        ("DATA first", data("hi"), Nothing, lost),
        ("END first", END, Fin, lost),
        ("UPGRADED first", frame(4, b""), Nothing, lost),
        ("an unknown frame", frame(9, b"x"), Nothing, lost),
        ("HTTP in clear", Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"), Nothing, lost),
        ("half a head", frame(0, &payload(200, &[])).slice(..3), Fin, lost),
        ("a head over its limit", too_long.freeze(), Nothing, lost),
        ("too many fields", frame(0, &payload(200, &fields)), Nothing, lost),
        ("status 0", frame(0, &payload(0, &[])), Nothing, lost),
        ("status 99", frame(0, &payload(99, &[])), Nothing, lost),
        ("status 1000", frame(0, &payload(1000, &[])), Nothing, lost),
        ("100 as the final head", frame(0, &payload(100, &[])), Nothing, lost),
        ("103 as the final head", frame(0, &payload(103, &[])), Nothing, lost),
        ("200 as an informational head", frame(1, &payload(200, &[])), Nothing, lost),
        ("101 as an informational head", frame(1, &payload(101, &[])), Nothing, lost),
        ("connection", frame(0, &payload(200, &[("connection", "close")])), Nothing, lost),
        ("transfer-encoding", frame(0, &payload(200, &[("transfer-encoding", "chunked")])), Nothing, lost),
        ("a field name with a space", frame(0, &payload(200, &[("a b", "1")])), Nothing, lost),
        ("a field value with a line end", frame(0, &payload(200, &[("a", "1\r\nb: 2")])), Nothing, lost),
        ("a field without a value", frame(0, &[&payload(200, &[])[..], &[1, b'a']].concat()), Nothing, lost),
        ("an empty head", frame(0, b""), Nothing, lost),
        ("101 unasked", head(101, &[]), Nothing, "upstream_invalid"),
        ("a length that is none", head(200, &[("content-length", "ten")]), Nothing, "upstream_invalid"),
        (
            "two lengths",
            frame(0, &payload(200, &[("content-length", "1"), ("content-length", "2")])),
            Nothing,
            "upstream_invalid",
        ),
    ]
}

/// Lies behind a good head and the first piece of a body.
fn after_the_head() -> Vec<(&'static str, Bytes, Bytes, Then)> {
    use Then::{Fin, Nothing, Reset};
    let sized = head(200, &[("content-length", "9")]);
    let mut huge = BytesMut::from(&[2u8][..]);
    varint::write(1 << 30, &mut huge);
    vec![
        ("FIN without END", head(200, &[]), Bytes::new(), Fin),
        ("FIN in a frame", head(200, &[]), data("more").slice(..3), Fin),
        ("a reset", head(200, &[]), Bytes::new(), Reset),
        ("a second head", head(200, &[]), head(200, &[]), Nothing),
        ("a late informational head", head(200, &[]), frame(1, &payload(103, &[])), Nothing),
        ("an unknown frame", head(200, &[]), frame(0xff, b""), Nothing),
        ("DATA over its limit", head(200, &[]), huge.freeze(), Nothing),
        ("UPGRADED", head(200, &[]), frame(4, b""), Nothing),
        ("trailers for the connection", head(200, &[]), frame(3, &payload(0, &[("te", "x")])[3..]), Fin),
        ("less than declared", sized.clone(), END, Fin),
        ("less than declared, and FIN", sized.clone(), Bytes::new(), Fin),
        ("more than declared", sized.clone(), data("far too much"), Nothing),
        ("another piece behind what was declared", sized, all(&[data("more"), data("more"), END]), Fin),
    ]
}

#[tokio::test]
async fn every_lie_costs_its_own_caller_only() {
    let relay = relay().start_relay();
    let agent = open(&relay, hello()).await.unwrap();
    let url = &agent.welcome.url;
    // A stream that is open through all of it, on the same tunnel and on the same connection of the public.
    let http2 = client::reqwest(&relay, &agent.host(), false);
    let http1 = client::reqwest(&relay, &agent.host(), true);
    let (honest, mut kept) = tokio::join!(http2.get(url).send(), async {
        let mut kept = agent.request().await;
        kept.say(head(200, &[("content-type", "text/event-stream")])).await;
        kept
    });
    let mut honest = honest.unwrap().bytes_stream();

    for caller in [&http1, &http2] {
        for (what, bytes, then, code) in before_the_head() {
            let (answer, _open) = tokio::join!(within(what, caller.get(url).send()), async {
                let mut request = agent.request().await;
                request.say(bytes).await;
                end(&mut request.send, then);
                request
            });
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 502, "{what}");
            assert_eq!(answer.headers()["gantz-error"], code, "{what}");
        }
        for (what, head, bytes, then) in after_the_head() {
            let (answer, mut request) = tokio::join!(within(what, caller.get(url).send()), async {
                let mut request = agent.request().await;
                request.say(all(&[head, data("piece")])).await;
                request
            });
            // The caller has the head by now: a reset would else overtake it.
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200, "{what}");
            request.say(bytes).await;
            end(&mut request.send, then);
            let body = within(what, answer.bytes()).await;
            assert!(body.is_err(), "{what}: passed off as {body:?}");
        }
    }

    kept.say(all(&[data("still here"), END])).await;
    kept.send.finish().unwrap();
    assert_eq!(within("the honest stream", honest.next()).await.unwrap().unwrap(), "still here");
    // HTTP/2 may say the end with an empty piece.
    while let Some(piece) = within("its end", honest.next()).await {
        assert_eq!(piece.unwrap(), "");
    }
    let (answer, ()) = tokio::join!(http2.get(url).send(), async { agent.request().await.answer("fine").await });
    assert_eq!(answer.unwrap().text().await.unwrap(), "fine");
}

fn end(send: &mut gantz_transport::SendStream, then: Then) {
    match then {
        Then::Fin => send.finish().unwrap(),
        Then::Reset => send.reset(StreamCode::Protocol),
        Then::Nothing => {}
    }
}

#[tokio::test]
async fn a_tunnel_that_breaks_is_a_502_before_the_head_and_a_reset_after_it() {
    let relay = relay().start_relay();
    let agent = open(&relay, hello()).await.unwrap();
    let caller = client::reqwest(&relay, &agent.host(), false);
    let url = agent.welcome.url.clone();
    let waiting = tokio::spawn(caller.get(&url).send());
    let _first = agent.request().await;
    let reading = tokio::spawn(caller.get(&url).send());
    let mut second = agent.request().await;
    second.say(all(&[head(200, &[]), data("piece")])).await;
    let answer = within("the head", reading).await.unwrap().unwrap();
    agent.connection.close(gantz_shared::reset::CloseCode::Done, "gone");
    assert!(within("the end", answer.bytes()).await.is_err());
    let answer = within("an answer", waiting).await.unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["gantz-error"].to_str().unwrap()), (502, "tunnel_lost"));
}
