//! One call, from its head to its line.

use std::time::Instant;

use gantz_shared::wire::head::RequestHead;
use http::Method;

use super::line::{Event, Line, Outcome};
use super::peek::Asked;
use super::{Calls, Tally};
use crate::tokens::Book;

/// A call that is going on. Dropped, it is written down: as [`Outcome::Cut`], unless [`end`](Self::end) says otherwise.
#[derive(Debug, Default)]
pub struct Call(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    calls: Calls,
    started: Instant,
    token: Option<Token>,
    method: Method,
    path: Box<str>,
    tally: Tally,
    outcome: Outcome,
}

/// The token that let the caller in.
#[derive(Debug)]
struct Token {
    id: String,
    label: Option<String>,
}

impl Token {
    fn called(&self) -> &str {
        self.label.as_ref().unwrap_or(&self.id)
    }
}

impl Call {
    pub(super) fn new(calls: Calls, head: &RequestHead, tokens: &Book, started: Instant) -> Self {
        let token =
            (!head.token.is_empty()).then(|| Token { id: head.token.clone(), label: tokens.label(&head.token) });
        Self(Some(Box::new(Begun {
            calls,
            started,
            token,
            method: head.method.clone(),
            // A copy: a slice would keep all of the packet that the head came in.
            path: head.path.path().into(),
            tally: Tally::of(head),
            outcome: Outcome::Cut,
        })))
    }

    /// What is to be told what passes. It counts nothing where there is no log.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.0.as_ref().map(|begun| begun.tally.clone()).unwrap_or_default()
    }

    /// It is over.
    pub fn end(mut self, outcome: Outcome) {
        if let Some(begun) = &mut self.0 {
            begun.outcome = outcome;
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(begun) = self.0.take() {
            begun.write();
        }
    }
}

impl Begun {
    fn write(&self) {
        let (counted, hidden) = (self.tally.counted(), &self.calls.hidden);
        let http_method = hidden.told(self.method.as_str());
        let path = hidden.told(&self.path);
        let line = Line {
            token: self.token.as_ref().map(|token| token.called()),
            token_id: self.token.as_ref().map(|token| token.id.as_str()),
            http_method: &http_method,
            path: &path,
            message: None,
            method: None,
            tool: None,
            arguments: None,
            unread: None,
            batch: None,
            status: counted.status,
            duration_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes_in: counted.bytes_in,
            bytes_out: counted.bytes_out,
            outcome: self.outcome.word(),
            code: self.outcome.code(),
        };
        let write = |line| self.calls.audit.write(&Event::Call(line));
        match self.tally.asked(self.calls.with_arguments, hidden) {
            Asked::Nothing => write(line),
            Asked::Unread(why) => write(Line { unread: Some(why), ..line }),
            Asked::Messages { list, batch } => {
                let batch = batch.then_some(list.len());
                for message in &list {
                    write(Line {
                        message: Some(message.kind),
                        method: message.method.as_deref(),
                        tool: message.tool.as_deref(),
                        arguments: message.arguments.as_ref(),
                        batch,
                        ..line
                    });
                }
            }
        }
    }
}
