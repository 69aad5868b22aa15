//! The payload of an answer's `HEAD` or of an `INFO`: what decodes says the same when it is written again.

use bytes::{Bytes, BytesMut};
use gantz_shared::limits::{MAX_FIELDS, MAX_HEAD};
use gantz_shared::wire::head::ResponseHead;
use gantz_shared::wire::{self, Decoder, Direction, Event, WireError};

/// Checks the decoder on one payload.
pub fn check(data: &[u8]) {
    if data.len() > MAX_HEAD {
        return;
    }
    let head = match ResponseHead::decode(Bytes::copy_from_slice(data)) {
        Ok(head) => head,
        Err(WireError::Malformed(_) | WireError::TooManyFields) => return,
        Err(other) => panic!("{other}"),
    };
    assert!(head.fields.len() <= MAX_FIELDS);

    let mut written = BytesMut::new();
    wire::response_head(head.status, head.upgrade.as_ref(), &head.fields, |_| true, &mut written)
        .expect("what was decoded can be encoded");
    assert!(written.len() <= data.len() + 5, "longer than it was");
    if head.upgrade.is_none() {
        // The same payload is an `INFO` before it.
        let mut info = BytesMut::new();
        wire::info(head.status, &head.fields, |_| true, &mut info).expect("what fits a HEAD fits an INFO");
        assert_eq!(info[1..], written[1..]);
        info.extend_from_slice(&written);
        written = info;
    }
    let mut decoder = Decoder::new(Direction::Response);
    decoder.push(written.freeze());
    if head.upgrade.is_none() {
        let Ok(Some(Event::Info(payload))) = decoder.next() else { panic!("no INFO") };
        assert_eq!(ResponseHead::decode(payload).as_ref(), Ok(&head));
    }
    let Ok(Some(Event::Head(payload))) = decoder.next() else { panic!("no HEAD") };
    assert_eq!(ResponseHead::decode(payload).as_ref(), Ok(&head));
    assert_eq!(decoder.next(), Ok(None));
}
