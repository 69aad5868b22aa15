//! One request with a token: its head, its body, and what becomes of its answer.

use std::sync::Arc;

use gantz_shared::fields::{content_length, expects_continue};
use gantz_shared::wire::head::RequestHead;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::answer::{Answer, Filter, Kind, Whole, Withheld, forget_bytes, is_plain};
use super::buffer::{Buffer, Full, TooLarge};
use super::events::Events;
use super::{MAX_ANSWER, MAX_REQUEST, Messages, Permissions, Refusal, Room, ToolBook, UNCOUNTED, Unreadable, headers};

/// What stands between one request with a token and the local server. On every path: a server may take messages anywhere.
#[derive(Debug)]
pub struct Guard {
    permissions: Arc<Permissions>,
    book: Arc<ToolBook>,
    room: Room,
    method: Method,
}

/// What the check of a request needs besides its head.
#[derive(Debug)]
pub enum Need {
    /// Nothing: there is no body.
    Nothing,
    /// The whole body, for [`Guard::body`], before a byte of the request goes on.
    Body {
        /// Where it goes.
        buffer: Buffer,
        /// The caller waits for a 100 before it sends. The local server is not called yet, and is not told to wait.
        expects_continue: bool,
    },
}

impl Guard {
    /// For one request.
    #[must_use]
    pub fn new(permissions: Arc<Permissions>, book: &Arc<ToolBook>, room: &Room) -> Self {
        Self { permissions, book: book.clone(), room: room.clone(), method: Method::GET }
    }

    /// Looks at the head and makes it ask for an answer that can be looked through.
    ///
    /// # Errors
    /// What the caller gets instead.
    pub fn head(&mut self, head: &mut RequestHead) -> Result<Need, Refusal> {
        self.method = head.method.clone();
        if self.permissions.is_everything() {
            return Ok(self.compares(head).unwrap_or(Need::Nothing));
        }
        if head.upgrade.is_some() {
            return Err(Refusal::upgrade());
        }
        ask_plainly(&mut head.fields);
        if !head.has_body {
            // A body of no bytes is no message.
            return self.without_body(&head.fields).map(|()| Need::Nothing);
        }
        let declared = content_length(&head.fields).ok().flatten();
        if declared.is_some_and(|len| len > MAX_REQUEST as u64) {
            return Err(Full::from(TooLarge { limit: MAX_REQUEST }).into());
        }
        let expects_continue = expects_continue(&head.fields);
        head.fields.remove(header::EXPECT);
        Ok(Need::Body { buffer: Buffer::new(MAX_REQUEST, declared, self.room.request()), expects_continue })
    }

    /// What a token that may do everything is held to: `Mcp-Method` and `Mcp-Name` say what the body says. The body is
    /// only waited for where it has them and is short; all others go on as they come.
    fn compares(&self, head: &RequestHead) -> Option<Need> {
        let declared = content_length(&head.fields).ok().flatten().filter(|len| *len <= UNCOUNTED as u64)?;
        let goes_on = head.fields.contains_key(header::EXPECT) || head.fields.contains_key(header::TRAILER);
        (head.has_body && declared > 0 && !goes_on && headers::are_there(&head.fields)).then(|| Need::Body {
            buffer: Buffer::new(UNCOUNTED, Some(declared), self.room.request()),
            expects_continue: false,
        })
    }

    /// Looks at the body, which goes on as it is. The messages in it; none, where it is empty and may be.
    ///
    /// # Errors
    /// What the caller gets instead.
    pub fn body(&mut self, fields: &HeaderMap, body: &[u8]) -> Result<Option<Messages>, Refusal> {
        if self.permissions.is_everything() {
            // What cannot be read, the local server may.
            let Ok(messages) = Messages::read(body) else { return Ok(None) };
            headers::agree(fields, &messages).map_err(|mismatch| Refusal::mismatch_in(mismatch, &messages))?;
            return Ok(Some(messages));
        }
        if body.is_empty() {
            return self.without_body(fields).map(|()| None);
        }
        is_json(fields)?;
        let messages = Messages::read(body)?;
        headers::agree(fields, &messages).map_err(|mismatch| Refusal::mismatch_in(mismatch, &messages))?;
        self.may(&messages)?;
        Ok(Some(messages))
    }

    /// How the answer with this status and these fields is passed on; the fields are made to fit.
    ///
    /// # Errors
    /// It cannot be looked through. Nothing of it has gone out: the caller gets `Refusal::from` this.
    pub fn answer(&self, status: StatusCode, fields: &mut HeaderMap) -> Result<Answer, Withheld> {
        const BODILESS: [StatusCode; 3] = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
        if self.permissions.is_everything() || self.method == Method::HEAD || BODILESS.contains(&status) {
            return Ok(Answer::Untouched);
        }
        let kind = Kind::of(fields)?;
        if !matches!(kind, Kind::Other) && !is_plain(fields) {
            return Err(Withheld::Encoded);
        }
        Ok(match kind {
            Kind::Events => {
                // Whether something will be cut is not known when the head goes.
                forget_bytes(fields);
                Answer::Events(Events::new(self.filter(), &self.room))
            }
            Kind::Json => {
                let declared = content_length(fields).ok().flatten();
                if declared.is_some_and(|len| len > MAX_ANSWER as u64) {
                    return Err(Full::from(TooLarge { limit: MAX_ANSWER }).into());
                }
                Answer::Whole(Whole::new(self.filter(), declared, &self.room))
            }
            Kind::Other => Answer::Untouched,
        })
    }

    /// Nothing of an answer is noted: a server that repeats what a caller sent must not be made to say which tools only
    /// read.
    fn filter(&self) -> Filter {
        let book = self.permissions.read_only.then(|| self.book.clone());
        Filter { permissions: self.permissions.clone(), book, heard: None }
    }

    /// Methods other than these have no meaning without a body; and what a field says of one that is not there is wrong.
    fn without_body(&self, fields: &HeaderMap) -> Result<(), Refusal> {
        if !matches!(self.method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS) {
            return Err(Unreadable::NotJson.into());
        }
        headers::describe_nothing(fields).map_err(Refusal::mismatch)
    }

    /// One forbidden call refuses them all.
    fn may(&self, messages: &Messages) -> Result<(), Refusal> {
        let (mut not_allowed, mut not_read_only, mut not_known) = (Vec::new(), Vec::new(), Vec::new());
        for tool in messages.list.iter().filter_map(|message| message.tool()) {
            let why = if !self.permissions.allows(tool) {
                &mut not_allowed
            } else if self.permissions.read_only {
                match self.book.read_only(tool) {
                    Some(true) => continue,
                    Some(false) => &mut not_read_only,
                    None => &mut not_known,
                }
            } else {
                continue;
            };
            if !why.contains(&tool) {
                why.push(tool);
            }
        }
        if !not_allowed.is_empty() {
            Err(Refusal::not_allowed(&not_allowed, &self.permissions))
        } else if !not_read_only.is_empty() {
            Err(Refusal::not_read_only(&not_read_only))
        } else if !not_known.is_empty() {
            self.book.ask();
            Err(Refusal::not_known(&not_known))
        } else {
            Ok(())
        }
    }
}

/// Asks for the whole answer, uncompressed: a part of one, or one that is encoded, cannot be looked through.
fn ask_plainly(fields: &mut HeaderMap) {
    fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    fields.remove(header::RANGE);
    fields.remove(header::IF_RANGE);
}

/// Whether the body is declared to be JSON in UTF-8 and nothing else: some servers decode by the declared charset.
fn is_json(fields: &HeaderMap) -> Result<(), Refusal> {
    if fields.contains_key(header::CONTENT_ENCODING) {
        return Err(Refusal::media_type("its body is encoded"));
    }
    let refused = || Refusal::media_type("its Content-Type is not application/json, in UTF-8");
    let mut types = fields.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return Err(refused()) };
    let value = value.to_str().map_err(|_| refused())?;
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let is_utf_8 = || {
        let Some((name, charset)) = parameters.split_once('=') else { return parameters.trim().is_empty() };
        name.trim().eq_ignore_ascii_case("charset")
            && ["utf-8", "\"utf-8\""].iter().any(|utf_8| charset.trim().eq_ignore_ascii_case(utf_8))
    };
    if essence.trim().eq_ignore_ascii_case("application/json") && is_utf_8() { Ok(()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests;
