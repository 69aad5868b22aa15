//! The control stream: messages of `gantz_shared::control` over a stream.

use std::future::poll_fn;

use bytes::BytesMut;
use gantz_shared::control::{self, ControlError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{RecvStream, SendStream, StreamLost, WriteError};

/// Writes control messages.
#[derive(Debug)]
pub struct ControlSender(SendStream);

/// Reads control messages.
#[derive(Debug)]
pub struct ControlReceiver {
    recv: RecvStream,
    buffer: BytesMut,
}

/// The two halves of a control stream.
#[must_use]
pub fn channel((send, recv): (SendStream, RecvStream)) -> (ControlSender, ControlReceiver) {
    (ControlSender(send), ControlReceiver { recv, buffer: BytesMut::new() })
}

impl ControlSender {
    /// Sends one message. Not cancel-safe.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn send(&mut self, message: &impl Serialize) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        control::encode(message, &mut bytes)?;
        self.0.write(&mut [bytes.freeze()]).await?;
        Ok(())
    }

    /// Says that nothing follows, and waits until the peer has all of it or is gone.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn finish(mut self) -> Result<(), Error> {
        self.0.finish()?;
        self.0.stopped().await;
        Ok(())
    }
}

impl ControlReceiver {
    /// The next message, `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn receive<M: DeserializeOwned>(&mut self) -> Result<Option<M>, Error> {
        loop {
            if let Some(message) = control::decode(&mut self.buffer)? {
                return Ok(Some(message));
            }
            match poll_fn(|cx| self.recv.poll_read(cx)).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Error::Truncated),
            }
        }
    }
}

/// What ended a control stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol.
    #[error(transparent)]
    Message(#[from] ControlError),
    /// The stream ended inside a message.
    #[error("control stream ended inside a message")]
    Truncated,
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] StreamLost),
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}
