//! Where a request's informational answers go (RFC 9110 §15.2).

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response, StatusCode};

use super::http1;

/// Where a request's informational answers go.
#[derive(Debug, Clone)]
pub(super) enum Interim {
    /// Into the connection.
    Http1(Arc<http1::Shared>),
    /// Into the stream.
    Http2(Arc<Mutex<SendResponse<Bytes>>>),
}

impl Interim {
    /// Tells a caller that waits for it to send its body (RFC 9110 §10.1.1).
    pub(super) fn go_on(&self) {
        match self {
            // hyper does, when the body is first asked for.
            Self::Http1(_) => {}
            Self::Http2(_) => self.send(StatusCode::CONTINUE, &HeaderMap::new()),
        }
    }

    /// Sends an informational answer, if it can go out now: it is optional.
    pub(super) fn send(&self, status: StatusCode, fields: &HeaderMap) {
        match self {
            Self::Http1(shared) => shared.inform(status, fields),
            Self::Http2(respond) => {
                let mut response = Response::new(());
                *response.status_mut() = status;
                *response.headers_mut() = fields.clone();
                let sent = respond.lock().unwrap_or_else(PoisonError::into_inner).send_informational(response);
                if let Err(error) = sent {
                    tracing::debug!(%error, "informational answer not sent");
                }
            }
        }
    }
}
