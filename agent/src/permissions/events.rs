//! Cuts tools out of a stream of server-sent events (HTML §9.2), piece by piece.
//!
//! Only the bytes of the event that is not whole yet are held back; comments between events go at once. An event from
//! which nothing is cut goes byte for byte as it came. Of one from which something is, only the `data` lines are
//! written anew, with the line end of the first of them.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::answer::{Filter, Withheld};
use super::buffer::Buffer;
use super::room::Share;
use super::{MAX_EVENT, MAX_READ_HERE, Room};

/// What a stream may begin with, and a reader drops.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One stream.
pub struct Events {
    filter: Filter,
    room: Room,
    /// The event that is not whole yet, with its unfinished line.
    held: Buffer,
    /// Where in `held` that line begins.
    line: usize,
    /// The last byte was a CR; an LF would be the rest of its line end.
    after_cr: bool,
    /// Nothing but a part of a byte order mark has come.
    at_start: bool,
    /// Why nothing more goes out.
    broken: Option<Withheld>,
}

impl Events {
    pub(super) fn new(filter: Filter, room: &Room) -> Self {
        let held = Buffer::new(MAX_EVENT, None, room.answer());
        Self { filter, room: room.clone(), held, line: 0, after_cr: false, at_start: true, broken: None }
    }

    /// How many bytes the next [`push`](Self::push) of `piece` may go through, for [`Room::read`]: those of a long event,
    /// when this may be its end.
    #[must_use]
    pub fn reads(&self, piece: &[u8]) -> usize {
        let all = self.held.len() + piece.len();
        // An event ends with a line.
        let may_end = all > MAX_READ_HERE && piece.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        if may_end { all } else { 0 }
    }

    /// How many bytes [`finish`](Self::finish) goes through, for [`Room::read`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes the next piece and gives what may go out.
    ///
    /// # Errors
    /// An event cannot be read, is over [`MAX_EVENT`], or there is no room for it: the stream has to be broken off.
    /// Nothing more of it comes out.
    pub fn push(&mut self, piece: &[u8]) -> Result<Bytes, Withheld> {
        let mut out = Out::new(&self.room);
        if self.broken.is_none() {
            self.broken = self.take(piece, &mut out).err();
        }
        self.broken.map_or_else(|| Ok(out.finish()), Err)
    }

    fn take(&mut self, piece: &[u8], out: &mut Out) -> Result<(), Withheld> {
        let mut rest = piece;
        while self.at_start && !rest.is_empty() {
            if rest[0] != BOM[self.held.len()] {
                self.at_start = false;
                break;
            }
            self.held.push(&rest[..1])?;
            rest = &rest[1..];
            if *self.held == *BOM {
                self.at_start = false;
                out.take(self.taken());
            }
        }
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                // It goes where its CR has gone.
                if self.held.is_empty() {
                    out.bytes.push(first);
                } else {
                    self.held.push(b"\n")?;
                    self.line = self.held.len();
                }
                rest = &rest[1..];
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            self.held.push(part)?;
            rest = after;
            if end.is_some() {
                self.after_cr = part.ends_with(b"\r");
                self.line_ended(out)?;
            }
        }
        Ok(())
    }

    /// What was held back when the stream ended. Readers drop an event without its end, but not all of them do.
    ///
    /// # Errors
    /// It cannot be read, or something before it: the stream has to be broken off instead of ended.
    pub fn finish(mut self) -> Result<Bytes, Withheld> {
        if let Some(why) = self.broken {
            return Err(why);
        }
        let mut out = Out::new(&self.room);
        self.event(&mut out)?;
        Ok(out.finish())
    }

    /// What is held; from now on nothing is.
    fn taken(&mut self) -> (Vec<u8>, Share) {
        std::mem::replace(&mut self.held, Buffer::new(MAX_EVENT, None, self.room.answer())).into_parts()
    }

    fn line_ended(&mut self, out: &mut Out) -> Result<(), Withheld> {
        let is_first = self.line == 0;
        match self.held[self.line..self.held.len() - 1].first() {
            None => self.event(out)?,
            Some(b':') if is_first => out.take(self.taken()),
            Some(_) => {}
        }
        self.line = self.held.len();
        Ok(())
    }

    /// Sends on what is held.
    fn event(&mut self, out: &mut Out) -> Result<(), Withheld> {
        let (held, share) = self.taken();
        match self.filter.cut(&String::from_utf8_lossy(&data(&held)))? {
            Some(cut) => {
                rewrite(&held, &cut, &mut out.bytes);
                out.share.join(share);
            }
            None => out.take((held, share)),
        }
        Ok(())
    }
}

/// What goes out, with the room that it has.
struct Out {
    bytes: Vec<u8>,
    share: Share,
}

impl Out {
    fn new(room: &Room) -> Self {
        Self { bytes: Vec::new(), share: room.answer() }
    }

    fn take(&mut self, (bytes, share): (Vec<u8>, Share)) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
        self.share.join(share);
    }

    fn finish(self) -> Bytes {
        self.share.of(self.bytes)
    }
}

/// The event with `data` instead of its own.
fn rewrite(event: &[u8], data: &str, out: &mut Vec<u8>) {
    let mut new = Some(data);
    for (line, end) in lines(event) {
        if value(line).is_none() {
            // What stood between a CR and this LF is gone: together they would be one line's end, and not two.
            if line.is_empty() && end == b"\n" && out.ends_with(b"\r") {
                out.extend_from_slice(b"\n");
            }
            out.extend_from_slice(line);
            out.extend_from_slice(end);
            continue;
        }
        for line in new.take().into_iter().flat_map(|data| data.split('\n')) {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(end);
        }
    }
}

/// What a reader makes of an event's `data` lines; nothing, where there are none.
fn data(event: &[u8]) -> Cow<'_, [u8]> {
    let mut values = lines(event).filter_map(|(line, _)| value(line));
    let first = values.next().unwrap_or_default();
    let Some(second) = values.next() else { return first.into() };
    let mut data = [first, second].join(&b'\n');
    for value in values {
        data.push(b'\n');
        data.extend_from_slice(value);
    }
    data.into()
}

/// The value of a `data` line.
fn value(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(b""),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// The lines, each with its end: LF, CR or both; that of the last one may be missing.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, from) = rest.split_at(end);
        let (end, after) = from.split_at(if from.starts_with(b"\r\n") { 2 } else { from.len().min(1) });
        rest = after;
        Some((line, end))
    })
}

/// Never what is in it.
impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
