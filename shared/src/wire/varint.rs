//! QUIC variable-length integers (RFC 9000 §16): the top two bits of the first byte say how many bytes there are.

use bytes::{Buf, BufMut};

/// The largest value, 2^62 − 1.
pub const MAX: u64 = (1 << 62) - 1;

/// The most bytes an encoding has.
pub const MAX_LEN: usize = 8;

/// Bytes that the encoding starting with `first` has.
#[must_use]
pub fn len_from_first(first: u8) -> usize {
    1 << (first >> 6)
}

/// Reads one integer. `None` when `buf` does not hold all of it; nothing is consumed then.
pub fn read(buf: &mut impl Buf) -> Option<u64> {
    if !buf.has_remaining() {
        return None;
    }
    let first = buf.chunk()[0];
    let len = len_from_first(first);
    if buf.remaining() < len {
        return None;
    }
    let value = buf.get_uint(len);
    let bits = 8 * len - 2;
    Some(value & ((1 << bits) - 1))
}

/// Writes `value` in its shortest form. Values over [`MAX`] are written as [`MAX`]: no caller has one, lengths are
/// checked against limits far below it.
pub fn write(value: u64, out: &mut impl BufMut) {
    match value {
        0..=0x3f => out.put_u8(value as u8),
        0x40..=0x3fff => out.put_u16(0x4000 | value as u16),
        0x4000..=0x3fff_ffff => out.put_u32(0x8000_0000 | value as u32),
        _ => out.put_u64(0xc000_0000_0000_0000 | value.min(MAX)),
    }
}

/// `value`, below 2^30, in the four-byte form: for a length that is filled in after its payload has been written.
#[must_use]
pub fn four_bytes(value: u32) -> [u8; 4] {
    (0x8000_0000 | (value & 0x3fff_ffff)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The samples of RFC 9000 §A.1.
    #[test]
    fn rfc_samples() {
        for (hex, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(read(&mut &hex[..]), Some(value));
        }
    }

    proptest! {
        #[test]
        fn round_trip(value in 0..=MAX) {
            let mut out = Vec::new();
            write(value, &mut out);
            prop_assert_eq!(read(&mut &out[..]), Some(value));
            prop_assert_eq!(read(&mut &out[..out.len() - 1]), None);
        }

        #[test]
        fn four_bytes_round_trip(value in 0u32..1 << 30) {
            prop_assert_eq!(read(&mut &four_bytes(value)[..]), Some(u64::from(value)));
        }
    }
}
