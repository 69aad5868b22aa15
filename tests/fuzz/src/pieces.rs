//! Cuts bytes up as a network might.

/// `bytes` in pieces: whole (0), byte by byte (1), or of changing sizes up to `plan`.
pub(crate) fn pieces(bytes: &[u8], plan: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut state = u32::from(plan) | 1;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // xorshift32: small, and the same on every run.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let len = if plan == 0 { rest.len() } else { 1 + state as usize % usize::from(plan) };
        let (piece, tail) = rest.split_at(len.min(rest.len()));
        rest = tail;
        Some(piece)
    })
}
