//! One open tunnel: its connection, its name, and who may call through it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gantz_shared::control::{Policy, TokenEntry, TokenLife};
use gantz_shared::limits::{KEEP_ALIVE_INTERVAL, OPEN_STREAM_DEADLINE};
use gantz_shared::name::Name;
use gantz_shared::reset::CloseCode;
use gantz_shared::wire::Direction;
use gantz_transport::{Connection, Dropped, FrameReader, FrameWriter, Lost};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::pulse::{Pulse, SILENCE};
use super::tokens::{Admission, Tokens};
use super::{AllUnread, KeyDigest, Title, Unread};
use crate::access::Seat;
use crate::config::Rates;
use crate::rates::Bucket;
use crate::sources::network;

/// How often it is looked whether a silent agent was heard. It is asked again by QUIC (RFC 9002 §6.2).
const LISTEN: Duration = Duration::from_millis(50);

/// See the module's head.
pub(crate) struct Tunnel {
    id: u64,
    name: Name,
    title: Mutex<Title>,
    access_key: KeyDigest,
    network: IpAddr,
    connection: Connection,
    /// What drives it.
    runtime: Handle,
    pulse: Pulse,
    open: bool,
    allowed_origins: Vec<String>,
    tokens: ArcSwap<Tokens>,
    token_rate: gantz_shared::rate::Rate,
    /// All of its callers together.
    bucket: Bucket,
    /// Requests that may still be in flight.
    places: Arc<Semaphore>,
    unread: Arc<Unread>,
    /// Another tunnel has its name now.
    superseded: CancellationToken,
    ended: CancellationToken,
    /// Among the tunnels of its access key.
    seat: Mutex<Option<Seat>>,
}

/// A request stream to the agent. Its halves cancel the request when they are dropped early.
pub(crate) struct Stream {
    pub(crate) writer: FrameWriter,
    pub(crate) reader: FrameReader,
    /// To be held while the request is in flight.
    pub(crate) place: OwnedSemaphorePermit,
}

/// Why no request stream was opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// There was no room for one in [`OPEN_STREAM_DEADLINE`].
    #[error("the tunnel has as many requests in flight as it takes")]
    Busy,
    /// The tunnel is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl Tunnel {
    pub(crate) fn new(
        title: Title,
        access_key: KeyDigest,
        connection: Connection,
        policy: Policy,
        unread: &Arc<AllUnread>,
        rates: &Rates,
        max_requests: usize,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            id,
            name: title.name.clone(),
            title: Mutex::new(title),
            access_key,
            network: network(connection.remote_address().ip()),
            unread: Arc::new(Unread::new(unread, id, connection.clone())),
            connection,
            runtime: Handle::current(),
            pulse: Pulse::default(),
            open: policy.open,
            allowed_origins: policy.allowed_origins,
            tokens: ArcSwap::from_pointee(Tokens::default().replaced(policy.tokens, rates.token)),
            token_rate: rates.token,
            bucket: Bucket::new(rates.tunnel),
            places: Arc::new(Semaphore::new(max_requests)),
            superseded: CancellationToken::new(),
            ended: CancellationToken::new(),
            seat: Mutex::default(),
        })
    }

    /// Between which addresses its UDP packets go; none over TCP.
    pub(crate) fn path(&self) -> Option<gantz_transport::quic::Path> {
        self.connection.path()
    }

    /// What QUIC has counted of it; none over TCP.
    pub(crate) fn quic(&self) -> Option<gantz_transport::quic::Stats> {
        self.connection.quic_stats()
    }

    /// What drives its connection.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Tells two tunnels of one name apart.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// By what it holds its name.
    pub(crate) fn title(&self) -> Title {
        self.locked_title().clone()
    }

    /// Its name had become free: from now on it is as if it was claimed only with this tunnel, after whoever claimed it
    /// `last`.
    pub(crate) fn claim_anew(&self, last: Option<u64>) {
        let mut title = self.locked_title();
        title.claimed = last.map_or(title.issued, |last| title.issued.max(last.saturating_add(1)));
        title.issued = title.issued.max(title.claimed);
    }

    /// Who had its name until now.
    pub(crate) fn succeed(&self, holder: &Title) {
        let mut title = self.locked_title();
        title.predecessor = holder.run.as_ref().map(|run| run.id.clone());
        title.inherit(holder);
    }

    fn locked_title(&self) -> MutexGuard<'_, Title> {
        self.title.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which access key its holder has.
    pub(crate) fn access_key(&self) -> &KeyDigest {
        &self.access_key
    }

    /// Where its agent came from when the tunnel was opened.
    pub(crate) fn network(&self) -> IpAddr {
        self.network
    }

    /// Whether everybody may call, without a token.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Browser origins that may call besides the tunnel's own and loopback ones.
    pub(crate) fn allowed_origins(&self) -> &[String] {
        &self.allowed_origins
    }

    /// From now on these are the live tokens. Answers with when each of them dies.
    pub(crate) fn set_tokens(&self, tokens: Vec<TokenEntry>) -> Vec<TokenLife> {
        // Only this tunnel's own control stream sets them: nothing comes between the two.
        let next = self.tokens.load().replaced(tokens, self.token_rate);
        let lives = next.lives();
        self.tokens.store(Arc::new(next));
        lives
    }

    /// When each of the live tokens dies.
    pub(crate) fn lives(&self) -> Vec<TokenLife> {
        self.tokens.load().lives()
    }

    /// As [`Tokens::bury`].
    pub(crate) fn bury(&self) -> Option<Duration> {
        self.tokens.load().bury()
    }

    /// As [`Tokens::admit`].
    pub(crate) fn admit(&self, presented: &[u8]) -> Admission {
        self.tokens.load().admit(presented)
    }

    /// What all callers together may do.
    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The answers that its callers do not read.
    pub(crate) fn unread(&self) -> &Arc<Unread> {
        &self.unread
    }

    /// Whether the agent seems to be gone, though its tunnel is still there.
    pub(crate) fn is_silent(&self) -> bool {
        match self.connection.quiet_for() {
            Some(quiet) => quiet >= KEEP_ALIVE_INTERVAL + SILENCE,
            None => self.pulse.is_silent(|| self.connection.quic_heard()),
        }
    }

    /// Waits until the agent is heard again, here or in another tunnel of its name, or the tunnel has ended. Cancel-safe.
    pub(crate) async fn heard(&self) {
        while self.is_silent() {
            tokio::select! {
                () = self.ended.cancelled() => return,
                () = self.superseded.cancelled() => return,
                () = tokio::time::sleep(LISTEN) => {}
            }
        }
    }

    /// Another tunnel has its name now.
    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded.is_cancelled()
    }

    /// To be said when another tunnel has got its name.
    pub(crate) fn set_superseded(&self) {
        self.superseded.cancel();
    }

    /// Opens a request stream.
    pub(crate) async fn open(&self) -> Result<Stream, OpenError> {
        let open = async {
            let place = self.places.clone().acquire_owned().await.map_err(|_| OpenError::Busy)?;
            let (send, recv) = self.connection.open(Dropped::CALLER).await?;
            // Whatever becomes of the stream, the agent acknowledges its first packet (RFC 9000 §13.2), once that is sent.
            if let Some(heard) = self.connection.quic_heard() {
                self.pulse.sent(heard);
            }
            let (writer, reader) = (FrameWriter::new(send), FrameReader::new(recv, Direction::Response));
            Ok(Stream { writer, reader, place })
        };
        tokio::time::timeout(OPEN_STREAM_DEADLINE, open).await.map_err(|_| OpenError::Busy)?
    }

    /// Waits until the directory has let go of this tunnel. Cancel-safe.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// It counts among the tunnels of its access key until it [has ended](Self::set_ended).
    pub(super) fn sit(&self, seat: Seat) {
        *self.seat.lock().unwrap_or_else(PoisonError::into_inner) = Some(seat);
    }

    /// The id of the access key that it was opened with, until it [has ended](Self::set_ended).
    pub(super) fn key_id(&self) -> Option<String> {
        let seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        seat.as_ref().map(|seat| seat.key().to_owned())
    }

    /// To be said when the directory has let go of it.
    pub(super) fn set_ended(&self) {
        drop(self.seat.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.ended.cancel();
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.connection.close(code, reason);
    }
}
