//! Answers to a token with permissions: a list of tools shows those it may call.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::buffer::{Buffer, Full};
use super::events::Events;
use super::{MAX_ANSWER, Permissions, Room, Tool, ToolBook, list};

/// Fields that describe the bytes of a body, and no longer do when some are cut.
const OF_THE_BYTES: [HeaderName; 6] = [
    header::ETAG,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("signature"),
];

/// How an answer is passed on.
#[derive(Debug)]
pub enum Answer {
    /// As it comes.
    Untouched,
    /// Read whole, then sent: its head waits for [`Whole::finish`].
    Whole(Whole),
    /// Piece by piece through [`Events`], behind a head that can go at once.
    Events(Events),
}

/// Why an answer, or the rest of one, is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Withheld {
    /// Compressed, or a part of something.
    #[error("it is encoded or partial, although that was not asked for")]
    Encoded,
    /// Over the limit, or there is no room.
    #[error("it, or one event of it, cannot be held: {0}")]
    Full(#[from] Full),
    /// Neither JSON nor anything that could not be taken for it.
    #[error("it cannot be read as JSON")]
    Unreadable,
}

/// What may be seen.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) permissions: Arc<Permissions>,
    /// Who is asked to list the tools again when the server says that they have changed.
    pub(super) book: Option<Arc<ToolBook>>,
    /// What is heard; only of an answer that the agent itself has asked for.
    pub(super) heard: Option<Arc<Mutex<Option<Page>>>>,
}

/// One page of the server's tools.
#[derive(Debug, Default)]
pub struct Page {
    /// The tools on it.
    pub tools: Vec<Tool>,
    /// What the next one is asked for with; none: it is the last.
    pub next: Option<String>,
}

impl Filter {
    /// `text` without the tools that must not be seen; `None` when there are none in it. What is not JSON and does not
    /// look like it, such as the `endpoint` of HTTP+SSE, is no list.
    pub(super) fn cut(&self, text: &str) -> Result<Option<String>, Withheld> {
        // A server may spell the `/` of the method in another way. At worst there is one list too many.
        if let Some(book) = self.book.as_ref().filter(|_| text.contains("list_changed")) {
            book.ask();
        }
        match list::cut(text, |tool| self.permissions.shows(tool)) {
            Ok(seen) => {
                if let Some(heard) = self.heard.as_ref().filter(|_| seen.lists) {
                    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    let page = heard.get_or_insert_default();
                    page.tools.extend(seen.tools);
                    page.next = list::cursor(text);
                }
                Ok(seen.cut)
            }
            Err(_) if looks_like_messages(text) => Err(Withheld::Unreadable),
            Err(_) => Ok(None),
        }
    }
}

/// The tools of an answer that the agent itself has asked for, and that is for nobody else. `None` where none are listed.
#[must_use]
pub fn page(fields: &HeaderMap, body: &[u8]) -> Option<Page> {
    let heard = Arc::<Mutex<Option<Page>>>::default();
    let filter = Filter { permissions: Arc::default(), book: None, heard: Some(heard.clone()) };
    // It is here already, whatever others hold.
    let room = Room::default();
    match Kind::of(fields) {
        Ok(Kind::Events) if is_plain(fields) => {
            let mut events = Events::new(filter, &room);
            events.push(body).and_then(|_| events.finish()).ok()?;
        }
        Ok(Kind::Json) if is_plain(fields) => {
            let mut whole = Whole::new(filter, None, &room);
            whole.push(body).and_then(|()| whole.finish(&mut HeaderMap::new())).ok()?;
        }
        _ => return None,
    }
    heard.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whether some reader that is laxer than ours might find an object in it, or an array of them.
fn looks_like_messages(text: &str) -> bool {
    let start = text.trim_start();
    start.starts_with('{') || start.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{'))
}

/// An answer that is read whole.
pub struct Whole {
    filter: Filter,
    body: Buffer,
}

impl Whole {
    pub(super) fn new(filter: Filter, declared: Option<u64>, room: &Room) -> Self {
        Self { filter, body: Buffer::new(MAX_ANSWER, declared, room.answer()) }
    }

    /// How many bytes there are so far, for [`Room::read`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.body.len()
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// The answer is over [`MAX_ANSWER`], or there is no room for it.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Withheld> {
        Ok(self.body.push(piece)?)
    }

    /// The body to send, and `fields` to send before it.
    ///
    /// # Errors
    /// [`Withheld::Unreadable`]
    pub fn finish(self, fields: &mut HeaderMap) -> Result<Bytes, Withheld> {
        let (body, mut share) = self.body.into_parts();
        // JSON in another encoding than UTF-8 is not JSON (RFC 8259 §8.1), but some readers take it.
        let text = std::str::from_utf8(&body).map_err(|_| Withheld::Unreadable)?;
        if text.contains('\0') {
            return Err(Withheld::Unreadable);
        }
        let Some(cut) = self.filter.cut(text.strip_prefix('\u{feff}').unwrap_or(text))? else {
            return Ok(share.of(body));
        };
        drop(body);
        share.shrink(cut.len());
        forget_bytes(fields);
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(cut.len()));
        Ok(share.of(cut.into_bytes()))
    }
}

/// Never what is in it.
impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Whole").field(&self.body).finish()
    }
}

/// Removes what is only true of the body as it came.
pub(super) fn forget_bytes(fields: &mut HeaderMap) {
    fields.remove(header::CONTENT_LENGTH);
    for name in &OF_THE_BYTES {
        fields.remove(name);
    }
}

/// What kind of body an answer with these fields has.
pub(super) enum Kind {
    Events,
    Json,
    Other,
}

impl Kind {
    /// As loosely as clients: some look for the media type anywhere in the field. Without a type it may be anything.
    pub(super) fn of(fields: &HeaderMap) -> Result<Self, Withheld> {
        let mut types = fields.get_all(header::CONTENT_TYPE).iter();
        let Some(value) = types.next() else { return Ok(Self::Json) };
        if types.next().is_some() {
            return Err(Withheld::Unreadable);
        }
        let value = value.to_str().map_err(|_| Withheld::Unreadable)?.to_ascii_lowercase();
        Ok(if value.contains("text/event-stream") {
            Self::Events
        } else if value.contains("json") || value.is_empty() {
            Self::Json
        } else {
            Self::Other
        })
    }
}

/// Whether the body's bytes are what they mean.
pub(super) fn is_plain(fields: &HeaderMap) -> bool {
    let only = |name, plain: &str| {
        fields.get_all(name).iter().all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(plain.as_bytes()))
    };
    only(header::CONTENT_ENCODING, "identity")
        && only(header::TRANSFER_ENCODING, "chunked")
        && !fields.contains_key(header::CONTENT_RANGE)
}
