//! The sessions of the Rust SDK's server, with one thing more than the SDK's own: a tool can close the stream of the very
//! call it answers. The SDK can do that, but does not tell a tool the number of its stream.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::poll_fn;
use rmcp::model::{ClientJsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionHandle, LocalSessionManager, LocalSessionManagerError, SessionTransport,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use tokio_util::sync::CancellationToken;

/// How soon a client comes back for a stream that was closed; the SDK's own default is 3 s.
const RETRY: Duration = Duration::from_millis(500);

/// See the module's head.
#[derive(Default)]
pub(crate) struct Sessions {
    inner: LocalSessionManager,
    streams: Mutex<HashMap<(SessionId, RequestId), CallStream>>,
}

/// The stream on which a call is answered.
#[derive(Clone)]
struct CallStream {
    number: u64,
    /// Cancelled means that the client came back for it.
    resumed: CancellationToken,
}

impl Sessions {
    /// Closes the stream of a call. What is said on it from now on is kept for the client until it comes back, which is
    /// what the token tells.
    pub(crate) async fn cut(&self, session: &str, call: &RequestId) -> Result<CancellationToken, String> {
        let id = SessionId::from(session);
        let stream = self.streams.lock().unwrap().get(&(id.clone(), call.clone())).cloned();
        let CallStream { number, resumed } = stream.ok_or("the call has no stream")?;
        let session = self.session(&id).await.map_err(|error| error.to_string())?;
        session.close_sse_stream(number, Some(RETRY)).await.map_err(|error| error.to_string())?;
        Ok(resumed)
    }

    async fn session(&self, id: &SessionId) -> Result<LocalSessionHandle, LocalSessionManagerError> {
        let sessions = self.inner.sessions.read().await;
        sessions.get(id).cloned().ok_or_else(|| LocalSessionManagerError::SessionNotFound(id.clone()))
    }
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.inner.create_session().await
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.streams.lock().unwrap().retain(|(session, _), _| session != id);
        self.inner.close_session(id).await
    }

    /// What the inner one does, with the stream's number noted before the call can begin.
    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let session = self.session(id).await?;
        let mut stream = session.establish_request_wise_channel().await?;
        if let (ClientJsonRpcMessage::Request(request), Some(number)) = (&message, stream.http_request_id) {
            let noted = CallStream { number, resumed: CancellationToken::new() };
            self.streams.lock().unwrap().insert((id.clone(), request.id.clone()), noted);
        }
        session.push_message(message, stream.http_request_id).await?;
        Ok(poll_fn(move |cx| stream.inner.poll_recv(cx)))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        // `INDEX/STREAM`, but for the stream that belongs to no call.
        let number = last_event_id.split_once('/').and_then(|(_, number)| number.parse::<u64>().ok());
        let stream = self.inner.resume(id, last_event_id).await?;
        for ((session, _), call) in &*self.streams.lock().unwrap() {
            if session == id && Some(call.number) == number {
                call.resumed.cancel();
            }
        }
        Ok(stream)
    }
}
