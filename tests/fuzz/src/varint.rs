//! QUIC varints: any bytes as a sequence of them.

use bytes::Buf;
use gantz_shared::wire::varint::{MAX, MAX_LEN, len_from_first, read, write};

/// Checks the decoder on one sequence.
pub fn check(data: &[u8]) {
    let mut rest = data;
    while let Some(&first) = rest.first() {
        let before = rest;
        let len = len_from_first(first);
        assert!([1, 2, 4, MAX_LEN].contains(&len));
        // The same, when the bytes lie in two pieces.
        for cut in 0..=len.min(before.len()) {
            let (head, tail) = before.split_at(cut);
            let mut split = head.chain(tail);
            let value = read(&mut split);
            assert_eq!(value, read(&mut &before[..]));
            assert_eq!(split.remaining(), before.len() - value.map_or(0, |_| len));
        }
        let Some(value) = read(&mut rest) else {
            assert!(before.len() < len, "all its bytes were there");
            assert_eq!(rest, before, "took bytes although it was not all there");
            return;
        };
        assert!(value <= MAX);
        assert_eq!(rest.len(), before.len() - len);
        let plain = before[1..len].iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
        assert_eq!(value, plain);
        let mut written = Vec::new();
        write(value, &mut written);
        assert!(written.len() <= len, "not the shortest form");
        assert_eq!(read(&mut &written[..]), Some(value));
    }
}
