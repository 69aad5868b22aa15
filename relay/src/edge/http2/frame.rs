//! The beginning of a frame, read along byte by byte (RFC 9113 §4.1).

/// Length of a frame's header (RFC 9113 §4.1), and of one with all of a WINDOW_UPDATE (§6.9).
const FRAME_HEADER: usize = 9;
const WHOLE_UPDATE: usize = FRAME_HEADER + 4;
pub(super) const HEADERS: u8 = 1;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// The beginning of a frame, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Header {
    bytes: [u8; WHOLE_UPDATE],
    have: usize,
}

impl Header {
    /// Takes one byte more; `true` when it is all there.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        if let Some(place) = self.bytes.get_mut(self.have) {
            *place = byte;
        }
        self.have += 1;
        self.have == WHOLE_UPDATE || self.have == FRAME_HEADER && !self.is_update()
    }

    fn is_update(&self) -> bool {
        self.kind() == WINDOW_UPDATE && self.length() == WHOLE_UPDATE - FRAME_HEADER
    }

    pub(super) fn length(&self) -> usize {
        let [high, middle, low, ..] = self.bytes;
        u32::from_be_bytes([0, high, middle, low]) as usize
    }

    pub(super) fn kind(&self) -> u8 {
        self.bytes[3]
    }

    pub(super) fn flags(&self) -> u8 {
        self.bytes[4]
    }

    /// Of a WINDOW_UPDATE; what is none gives nothing back.
    pub(super) fn increment(&self) -> u32 {
        let [.., a, b, c, d] = self.bytes;
        if self.is_update() { u32::from_be_bytes([a & 0x7f, b, c, d]) } else { 0 }
    }

    /// Of a head's frames; whether it is the last one.
    pub(super) fn ends_head(&self) -> Option<bool> {
        const END_HEADERS: u8 = 4;
        matches!(self.kind(), HEADERS | CONTINUATION).then_some(self.flags() & END_HEADERS != 0)
    }

    /// What of the frame is still to come.
    pub(super) fn rest(&self) -> usize {
        (FRAME_HEADER + self.length()).saturating_sub(self.have)
    }
}
