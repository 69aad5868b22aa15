//! Where a chunked body ends (RFC 9112 §7.1), read strictly: hyper decodes it, and takes more than this lets through.

/// Bytes of the trailer section, with its line ends.
const MAX_TRAILERS: usize = 16 << 10;

/// Follows a chunked body, byte by byte where they are few and in one step where they are many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In a chunk's size, of which so many digits have come.
    Size { size: u64, digits: u8 },
    /// The CR behind a size has come.
    SizeEnd(u64),
    /// In a chunk's data, of which so many bytes are still to come.
    Data(u64),
    /// Behind a chunk's data.
    DataEnd,
    /// The CR behind a chunk's data has come.
    DataEndLf,
    /// In the trailer section, so many bytes in.
    Trailers { seen: usize, line: TrailerLine },
    /// Behind the body.
    Over,
}

/// Where in a line of the trailer section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrailerLine {
    Start,
    /// The CR of an empty line has come.
    EmptyCr,
    Inside,
    /// The CR of a line has come.
    Cr,
}

/// Not a chunked body, or not one that every parser reads alike; behind so many bytes that were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) usize);

impl Chunks {
    pub(super) fn new() -> Self {
        Self::Size { size: 0, digits: 0 }
    }

    /// Follows `bytes`; says how many of them belong to the body, which is [`Over`](Self::Over) if that is not all.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Self::Data(left) = self {
                let here = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= here as u64;
                at += here;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            if *self == Self::Over {
                break;
            }
            *self = self.next(byte).ok_or(Malformed(at))?;
            at += 1;
        }
        Ok(at)
    }

    fn next(&self, byte: u8) -> Option<Self> {
        use TrailerLine as L;
        Some(match (self, byte) {
            // 16 digits are 64 bits. No extensions: nothing takes them, and parsers differ on where they end.
            (&Self::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = char::from(byte).to_digit(16)?;
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (&Self::Size { size, digits: 1.. }, b'\r') => Self::SizeEnd(size),
            (Self::SizeEnd(0), b'\n') => Self::Trailers { seen: 0, line: L::Start },
            (&Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataEnd, b'\r') => Self::DataEndLf,
            (Self::DataEndLf, b'\n') => Self::new(),
            (&Self::Trailers { seen, line }, _) if seen < MAX_TRAILERS => {
                let line = match (line, byte) {
                    (L::EmptyCr, b'\n') => return Some(Self::Over),
                    (L::Cr, b'\n') => L::Start,
                    (L::Start, b'\r') => L::EmptyCr,
                    (L::Inside, b'\r') => L::Cr,
                    (L::EmptyCr | L::Cr, _) | (_, b'\n') => return None,
                    (L::Start | L::Inside, _) => L::Inside,
                };
                Self::Trailers { seen: seen + 1, line }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Result<(usize, Chunks), Malformed> {
        let mut chunks = Chunks::new();
        let length = chunks.follow(text.as_bytes())?;
        Ok((length, chunks))
    }

    #[test]
    fn a_body_ends_where_it_ends() {
        for body in [
            "0\r\n\r\n",
            "000\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n5\r\nhello\r\n0\r\n\r\n",
            "0\r\nname: value\r\nother: value\r\n\r\n",
        ] {
            assert_eq!(whole(&format!("{body}GET / HTTP/1.1")), Ok((body.len(), Chunks::Over)), "{body:?}");
        }
    }

    #[test]
    fn what_parsers_differ_on_is_no_body() {
        for body in [
            "\r\n",
            "5;a=b\r\nhello",
            "5 \r\nhello",
            " 5\r\nhello",
            "0x5\r\n",
            "+5\r\n",
            "5\nhello",
            "5\r\nhello0",
            "5\r\nhello\n",
            "10000000000000000\r\n",
            "00000000000000000\r\n",
            "0\n\r\n",
            "0\r\na: b\n\r\n",
            "0\r\na: b\r\r\n",
            "0\r\n\rx",
            "0;\r\n",
        ] {
            assert!(whole(body).is_err(), "{body:?}");
        }
        assert!(whole(&format!("0\r\na: {}", "b".repeat(MAX_TRAILERS))).is_err());
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[05\r\na:]{0,16}", cut in 0usize..17) {
            let cut = cut.min(text.len());
            let mut chunks = Chunks::new();
            let in_two = chunks.follow(&text.as_bytes()[..cut]).and_then(|first| {
                if first < cut {
                    return Ok(first);
                }
                chunks.follow(&text.as_bytes()[cut..]).map(|rest| first + rest).map_err(|bad| Malformed(first + bad.0))
            });
            prop_assert_eq!(in_two.map(|length| (length, chunks)), whole(&text));
        }
    }
}
