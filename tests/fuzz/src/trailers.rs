//! The payload of `END`: the field section that heads end with, too.

use bytes::{Bytes, BytesMut};
use gantz_shared::fields::is_hop_by_hop;
use gantz_shared::limits::{MAX_FIELDS, MAX_HEAD};
use gantz_shared::wire::{self, WireError, head};

/// Checks the decoder on one payload.
pub fn check(data: &[u8]) {
    if data.len() > MAX_HEAD {
        return;
    }
    let fields = match head::fields(Bytes::copy_from_slice(data)) {
        Ok(fields) => fields,
        Err(WireError::Malformed(_) | WireError::TooManyFields) => return,
        Err(other) => panic!("{other}"),
    };
    assert!(fields.len() <= MAX_FIELDS);
    for (name, value) in &fields {
        assert!(!is_hop_by_hop(name) || (name == "te" && value == "trailers"), "{name} crossed the tunnel");
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{value:?} splits a head");
    }

    let mut written = BytesMut::new();
    wire::end_with_trailers(&fields, |_| true, &mut written).expect("what was decoded can be encoded");
    let payload = written.split_off(5).freeze();
    assert!(payload.len() <= data.len(), "longer than it was");
    assert_eq!(head::fields(payload).as_ref(), Ok(&fields));

    // What the encoder is told to leave out is not there, and the rest still is.
    let first = fields.keys().next().cloned();
    let mut fewer = BytesMut::new();
    wire::end_with_trailers(&fields, |name| Some(name) != first.as_ref(), &mut fewer).expect("less than before");
    let mut expected = fields;
    if let Some(first) = first {
        expected.remove(first);
    }
    assert_eq!(head::fields(fewer.split_off(5).freeze()), Ok(expected));
}
