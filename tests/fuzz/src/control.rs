//! Control messages, for both of their directions.

use bytes::{BufMut, BytesMut};
use gantz_shared::control::{self, ControlError};
use gantz_shared::limits::MAX_CONTROL_MESSAGE;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Checks `data` as a stream and as the JSON of one message. Gives the messages back for what only their type can tell.
pub(crate) fn check<M: Serialize + DeserializeOwned>(data: &[u8]) -> Vec<M> {
    let mut messages = stream(data);
    messages.extend(body(data));
    messages
}

/// Takes messages off a stream until there is none or one is wrong.
fn stream<M: DeserializeOwned>(data: &[u8]) -> Vec<M> {
    let mut messages = Vec::new();
    let mut buffer = BytesMut::from(data);
    loop {
        let before = buffer.clone();
        match control::decode(&mut buffer) {
            Ok(Some(message)) => {
                let len = before[..4].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
                assert_eq!(buffer[..], before[4 + len..]);
                messages.push(message);
            }
            Ok(None) => {
                assert_eq!(buffer, before, "took bytes although the message was not all there");
                return messages;
            }
            Err(error) => {
                tells_nothing(&error);
                return messages;
            }
        }
    }
}

/// One message with `json` in it.
fn body<M: Serialize + DeserializeOwned>(json: &[u8]) -> Option<M> {
    if json.len() > MAX_CONTROL_MESSAGE {
        return None;
    }
    let framed = framed(json);
    for cut in (0..framed.len()).take(8).chain([framed.len() - 1]) {
        let mut buffer = BytesMut::from(&framed[..cut]);
        assert!(matches!(control::decode::<M>(&mut buffer), Ok(None)), "a message out of {cut} bytes");
        assert_eq!(buffer.len(), cut);
    }
    let mut followed = framed.clone();
    followed.extend_from_slice(b"next");
    let message: M = match control::decode(&mut followed) {
        Ok(message) => message?,
        Err(error) => {
            tells_nothing(&error);
            return None;
        }
    };
    assert_eq!(followed, "next");

    let mut written = BytesMut::new();
    match control::encode(&message, &mut written) {
        // Fields that have defaults are written out.
        Err(ControlError::TooLong(len)) => assert!(len > MAX_CONTROL_MESSAGE && written.is_empty()),
        Err(other) => panic!("{other}"),
        Ok(()) => {
            let again: M = decode(written);
            assert_eq!(value(&again), value(&message));
        }
    }
    // A field that a later version may add changes nothing.
    if let Some(at) = json.iter().position(|byte| !byte.is_ascii_whitespace()).filter(|at| json[*at] == b'{') {
        let mut more = json.to_vec();
        more.splice(at + 1..at + 1, *br#""later":[{"type":"goodbye"},null],"#);
        if more.len() <= MAX_CONTROL_MESSAGE {
            assert_eq!(value(&decode::<M>(self::framed(&more))), value(&message));
        }
    }
    Some(message)
}

fn framed(json: &[u8]) -> BytesMut {
    let mut framed = BytesMut::new();
    framed.put_u32(json.len() as u32);
    framed.put_slice(json);
    framed
}

fn decode<M: DeserializeOwned>(mut framed: BytesMut) -> M {
    control::decode(&mut framed).expect("a message").expect("a whole one")
}

fn value(message: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(message).expect("a message is JSON")
}

/// An error names a place and a kind; it quotes nothing of the message, in which secrets travel.
fn tells_nothing(error: &ControlError) {
    let text = error.to_string();
    match error {
        ControlError::TooLong(_) => {}
        ControlError::Malformed(why) => {
            let (kind, column) = why.split_once(" error at column ").expect("kind and place");
            assert!(["Syntax", "Data", "Eof"].contains(&kind), "{text}");
            assert!(column.parse::<usize>().is_ok(), "{text}");
        }
        other => panic!("{other}"),
    }
}
