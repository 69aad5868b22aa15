//! One open tunnel: its connection, its name, and who may call through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, Guard};
use gantz_shared::control::{Policy, TokenEntry};
use gantz_shared::limits::OPEN_STREAM_DEADLINE;
use gantz_shared::name::Name;
use gantz_shared::reset::CloseCode;
use gantz_shared::token::Digest;
use gantz_shared::wire::Direction;
use gantz_transport::{Connection, Dropped, FrameReader, FrameWriter, Lost};
use subtle::{Choice, ConditionallySelectable};

/// See the module's head.
pub(crate) struct Tunnel {
    id: u64,
    name: Name,
    connection: Connection,
    policy: ArcSwap<Policy>,
}

/// What a credential is worth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The token with this id lets the caller in.
    Granted(String),
    /// The token was right once.
    Expired,
    /// No live token is like it.
    Unknown,
}

/// Why no request stream was opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The agent granted none in [`OPEN_STREAM_DEADLINE`].
    #[error("the agent has as many requests in flight as it takes")]
    Busy,
    /// The tunnel is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl Tunnel {
    pub(crate) fn new(name: Name, connection: Connection, policy: Policy) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, name, connection, policy: ArcSwap::from_pointee(policy) })
    }

    /// Tells two tunnels of one name apart.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn policy(&self) -> Guard<Arc<Policy>> {
        self.policy.load()
    }

    /// From now on these are the live tokens.
    pub(crate) fn set_tokens(&self, tokens: Vec<TokenEntry>) {
        let policy = Policy { tokens, ..Policy::clone(&self.policy.load()) };
        self.policy.store(Arc::new(policy));
    }

    /// Compares what a caller presented with every live digest, without an early exit: neither the answer's time nor
    /// the work tells which token was close, or whether there is one.
    pub(crate) fn admit(&self, presented: &[u8]) -> Admission {
        let policy = self.policy.load();
        let presented = Digest::of(presented);
        let mut found = u32::MAX;
        for (index, token) in (0u32..).zip(&policy.tokens) {
            let equal: Choice = presented.ct_eq(&token.digest);
            found = u32::conditional_select(&found, &index, equal);
        }
        match policy.tokens.get(found as usize) {
            None => Admission::Unknown,
            Some(token) if is_expired(token) => Admission::Expired,
            Some(token) => Admission::Granted(token.id.clone()),
        }
    }

    /// Opens a request stream. Its halves cancel the request when they are dropped early.
    pub(crate) async fn open(&self) -> Result<(FrameWriter, FrameReader), OpenError> {
        let open = self.connection.open(Dropped::CALLER);
        let (send, recv) = tokio::time::timeout(OPEN_STREAM_DEADLINE, open).await.map_err(|_| OpenError::Busy)??;
        Ok((FrameWriter::new(send), FrameReader::new(recv, Direction::Response)))
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.connection.close(code, reason);
    }
}

fn is_expired(token: &TokenEntry) -> bool {
    token.expires_at.is_some_and(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at) <= SystemTime::now())
}
