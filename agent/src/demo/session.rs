//! The sessions of the HTTP+SSE bridge: which are open, and the pipe each one is to the SDK.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::Transport,
};
use tokio::sync::mpsc::{self, error::SendError, error::TrySendError};

use super::{MAX_QUEUED_MESSAGES, MAX_SSE_SESSIONS, refusal::Refusal};

/// The open sessions, by id.
#[derive(Debug, Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<String, Inbox>>>);

/// Where an open session takes its messages.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    messages: mpsc::Sender<ClientJsonRpcMessage>,
    /// Weak: the stream ends when the SDK has nothing more to say on it.
    answers: mpsc::WeakSender<ServerJsonRpcMessage>,
}

/// One open session. It ends, for whoever posts to it, when this is dropped.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    sessions: Sessions,
}

/// The SDK's end of a session: messages that were posted come out, answers for the stream go in.
#[derive(Debug)]
pub(super) struct Pipe {
    incoming: mpsc::Receiver<ClientJsonRpcMessage>,
    outgoing: mpsc::Sender<ServerJsonRpcMessage>,
}

impl Sessions {
    /// A new session, the SDK's end of it, and the answers for its stream.
    pub(super) fn open(&self) -> Result<(Session, Pipe, mpsc::Receiver<ServerJsonRpcMessage>), Refusal> {
        // The id is all that protects a session from another caller of this machine: 128 random bits.
        let id = format!("{:032x}", rand::random::<u128>());
        let (messages, incoming) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let (outgoing, answers) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let inbox = Inbox { messages, answers: outgoing.downgrade() };
        let mut open = self.lock();
        if open.len() >= MAX_SSE_SESSIONS {
            return Err(Refusal::TooManySessions);
        }
        open.insert(id.clone(), inbox);
        drop(open);
        let session = Session { id, sessions: self.clone() };
        Ok((session, Pipe { incoming, outgoing }, answers))
    }

    /// Where the session of this id takes its messages, if it is open.
    pub(super) fn find(&self, id: &str) -> Result<Inbox, Refusal> {
        self.lock().get(id).cloned().ok_or(Refusal::UnknownSession)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Inbox>> {
        // Nothing that can panic runs under the lock: the map is whole even if a thread died.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    /// Hands the session a message. Never waits: a client that floods, or does not read its answers, is told so.
    pub(super) fn post(&self, message: ClientJsonRpcMessage) -> Result<(), Refusal> {
        let answers = self.answers.upgrade().ok_or(Refusal::UnknownSession)?;
        if answers.capacity() == 0 {
            return Err(Refusal::TooManyMessages);
        }
        self.messages.try_send(message).map_err(|refused| match refused {
            TrySendError::Full(_) => Refusal::TooManyMessages,
            TrySendError::Closed(_) => Refusal::UnknownSession,
        })
    }
}

impl Session {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.id);
    }
}

impl Transport<RoleServer> for Pipe {
    type Error = SendError<ServerJsonRpcMessage>;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let outgoing = self.outgoing.clone();
        async move { outgoing.send(message).await }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.incoming.recv().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.incoming.close();
        Ok(())
    }
}
