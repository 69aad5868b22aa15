//! How gantz's codes travel in HTTP/2.

use gantz_shared::reset::{CloseCode, StreamCode};
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Where a stream's codes begin among HTTP/2's error codes (RFC 9113 §7): behind those that h2 uses itself.
const FIRST: u32 = 0x100;

/// The code of a close, in the link's trailers.
const CLOSE: HeaderName = HeaderName::from_static("gantz-close");
/// The words of a close.
const REASON: HeaderName = HeaderName::from_static("gantz-reason");
/// Longest reason that is sent, bytes.
const MAX_REASON: usize = 1024;

pub(super) fn reason(code: StreamCode) -> Reason {
    Reason::from(FIRST + code.code())
}

pub(super) fn stream_code(reason: Reason) -> StreamCode {
    match reason {
        // Of an agent that has answered without the whole body (RFC 9113 §8.1).
        Reason::NO_ERROR => StreamCode::NotNeeded,
        Reason::PROTOCOL_ERROR | Reason::FLOW_CONTROL_ERROR | Reason::FRAME_SIZE_ERROR => StreamCode::Protocol,
        other => {
            u32::from(other).checked_sub(FIRST).map_or(StreamCode::Dropped, |code| StreamCode::from_code(code.into()))
        }
    }
}

/// The trailers that close a connection.
pub(super) fn close(code: CloseCode, reason: &str) -> HeaderMap {
    let end = reason.floor_char_boundary(MAX_REASON);
    let words: String = reason.get(..end).unwrap_or_default().replace(|letter: char| letter.is_control(), " ");
    let mut trailers = HeaderMap::from_iter([(CLOSE, HeaderValue::from(code.code()))]);
    if let Ok(words) = HeaderValue::from_bytes(words.as_bytes()) {
        trailers.insert(REASON, words);
    }
    trailers
}

/// What the peer says by its trailers.
pub(super) fn closed(trailers: &HeaderMap) -> (Option<CloseCode>, String) {
    let code = trailers.get(CLOSE).and_then(|code| code.to_str().ok()?.parse().ok()).and_then(CloseCode::from_code);
    let words = trailers.get(REASON).map(|words| String::from_utf8_lossy(words.as_bytes()).into_owned());
    (code, words.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_as_they_were() {
        for code in [StreamCode::Dropped, StreamCode::Protocol, StreamCode::NotNeeded, StreamCode::Leaving] {
            assert_eq!(stream_code(reason(code)), code);
        }
        assert_eq!(stream_code(Reason::NO_ERROR), StreamCode::NotNeeded);
        assert_eq!(stream_code(Reason::CANCEL), StreamCode::Dropped);
        for words in ["", "goodbye", "tschüß, 又見", "two\nlines"] {
            let (code, heard) = closed(&close(CloseCode::Replaced, words));
            assert_eq!((code, heard), (Some(CloseCode::Replaced), words.replace('\n', " ")));
        }
        assert_eq!(closed(&close(CloseCode::Done, &"ü".repeat(1000))).1.len(), MAX_REASON);
        assert_eq!(closed(&HeaderMap::new()), (None, String::new()));
    }
}
