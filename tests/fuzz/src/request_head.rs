//! The payload of a request's `HEAD`: what decodes is within its limits and says the same when it is written again.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use gantz_shared::limits::{MAX_FIELDS, MAX_HEAD, MAX_LABEL};
use gantz_shared::wire::head::RequestHead;
use gantz_shared::wire::{self, Decoder, Direction, Event, WireError};

/// Checks the decoder on one payload.
pub fn check(data: &[u8]) {
    if data.len() > MAX_HEAD {
        return;
    }
    let head = match RequestHead::decode(Bytes::copy_from_slice(data)) {
        Ok(head) => head,
        Err(WireError::Malformed(_) | WireError::TooManyFields) => return,
        Err(other) => panic!("{other}"),
    };
    assert!(head.token.len() <= MAX_LABEL);
    assert!(head.fields.len() <= MAX_FIELDS);
    // The caller's own bytes, all of them.
    for part in [head.method.as_str(), head.authority.as_str(), head.path.as_str(), &head.token] {
        assert!(part.is_empty() || data.windows(part.len()).any(|window| window == part.as_bytes()), "{part:?}");
    }
    if let Some(IpAddr::V4(address)) = head.client {
        assert!(data.windows(4).any(|window| window == address.octets()));
    }

    let written = encode(&head);
    assert!(written.len() <= data.len() + 5, "longer than it was");
    let mut decoder = Decoder::new(Direction::Request);
    decoder.push(written.clone());
    let Ok(Some(Event::Head(payload))) = decoder.next() else { panic!("no HEAD in {written:?}") };
    let again = RequestHead::decode(payload).expect("what was decoded once decodes again");
    assert_eq!(again, head);
    // `Authority` compares without regard to case; the wire keeps it.
    assert_eq!(again.authority.as_str(), head.authority.as_str());
    assert_eq!(encode(&again), written);
}

fn encode(head: &RequestHead) -> Bytes {
    let mut out = BytesMut::new();
    wire::request_head(
        &head.method,
        &head.scheme,
        head.has_body,
        &head.authority,
        &head.path,
        head.client,
        &head.token,
        head.upgrade.as_ref(),
        &head.fields,
        |_| true,
        &mut out,
    )
    .expect("what was decoded can be encoded");
    out.freeze()
}
