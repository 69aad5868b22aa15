//! A running relay: everything that was bound, wired together, and its end.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use gantz_shared::control::Secret;
use gantz_transport::quic::Listener;
use gantz_transport::runtime::Workers;
use gantz_transport::tcp;
use http::uri::Scheme;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::{AccessError, Keys};
use crate::admin::{self, Admin, Ready};
use crate::audit::{Keeper, Log};
use crate::config::{Access, Config, MAX_STRANGERS, PublicOrigin, Routing, TOKEN_CHANGES, TlsConfig};
use crate::directory::{Claims, Directory, Memory};
use crate::edge::{self, Around, Edge, Transport};
use crate::listeners::Listeners;
use crate::metrics::{self, Metrics};
use crate::rates::PerSource;
use crate::sources::Sources;
use crate::state::{self, StateError};
#[cfg(unix)]
use crate::takeover::{self, Giving};
use crate::tls::{self, LocalCa, TlsError};
use crate::tunnels::{self, AllUnread, Greeter, Roster, Tickets, Ways};

/// How long the operator's last answers may take.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What the caller has bound: port 0 is the caller's choice, and a port that is taken is the caller's to explain.
#[derive(Debug)]
pub struct Sockets {
    /// The public's HTTP; more than one where a name has several addresses.
    pub edge: Vec<TcpListener>,
    /// The agents' QUIC.
    pub agents: UdpSocket,
    /// Plain HTTP that sends callers to HTTPS.
    pub http: Option<TcpListener>,
    /// The operator's own.
    pub admin: Option<TcpListener>,
    /// Whose they are, where they were not bound but [taken over](Self::take_over).
    pub predecessor: Option<Predecessor>,
}

/// The relay process that serves with these sockets, until this one does.
#[derive(Debug)]
pub struct Predecessor(#[cfg(unix)] takeover::Predecessor);

impl Sockets {
    /// The sockets of the relay that runs with this state folder; `None` where none does. It goes on serving until a relay
    /// that was started with them does, and as before where none comes to that.
    ///
    /// # Errors
    /// A relay that does not answer, or in a way that is not understood.
    #[cfg(unix)]
    pub fn take_over(state_dir: &Path) -> io::Result<Option<Self>> {
        let taken = takeover::take(state_dir).map_err(io::Error::other)?;
        Ok(taken.map(|(agents, takeover::Listeners { edge, http, admin }, predecessor)| Self {
            edge,
            agents,
            http,
            admin,
            predecessor: Some(Predecessor(predecessor)),
        }))
    }
}

/// A running relay. Dropped without [`shutdown`](Self::shutdown) it ends at once.
pub struct Relay {
    tasks: JoinSet<()>,
    /// The operator is answered until everything else has ended.
    admin: JoinSet<()>,
    admin_stop: CancellationToken,
    stop: CancellationToken,
    cut: CancellationToken,
    taken_over: CancellationToken,
    drain: Duration,
    addresses: Addresses,
    ca: Option<LocalCa>,
    audit: Option<Keeper>,
    first_key: Option<Secret>,
    /// Dropped last: what is left on them then ends with them.
    _workers: Workers,
}

#[derive(Debug)]
struct Addresses {
    edge: SocketAddr,
    agents: SocketAddr,
    http: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The state folder does not do its part.
    #[error(transparent)]
    State(#[from] StateError),
    /// Access keys cannot be read.
    #[error("access keys: {0}")]
    Access(#[from] AccessError),
    /// The audit log cannot be written.
    #[error("audit log: {0}")]
    Audit(#[from] gantz_audit::OpenError),
    /// A socket does not do its part.
    #[error("socket: {0}")]
    Socket(#[from] io::Error),
    /// There is nothing to listen on.
    #[error("no address to listen on")]
    NoListener,
}

impl Relay {
    /// Starts everything; when this returns, the relay answers.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start(config: Config, sockets: Sockets) -> Result<Self, StartError> {
        if let Some(dir) = &config.state_dir {
            state::create(dir)?;
            state::is_whole(dir)?;
            #[cfg(unix)]
            for path in state::readable_by_others(dir)? {
                tracing::warn!(path = %path.display(), "other users of this machine can read this secret; chmod go= makes it the relay's own");
            }
        }
        let certificates = tls::load(&config)?;
        let (tickets, was_kept) = Tickets::load(config.state_dir.as_deref())?;
        let tickets = Arc::new(tickets);
        let edge_address = sockets.edge.first().ok_or(StartError::NoListener)?.local_addr()?;
        let is_plain = config.tls == TlsConfig::Off;
        let public = config.public.clone().unwrap_or(PublicOrigin {
            scheme: if is_plain { Scheme::HTTP } else { Scheme::HTTPS },
            port: edge_address.port(),
        });

        let (audit, keeper) = match &config.audit_log {
            Some(path) => {
                let (audit, keeper) = Log::open(path)?;
                (audit, Some(keeper))
            }
            None => (Log::default(), None),
        };
        let (keys, first_key) = match config.access {
            Access::Keys => Keys::open(config.state_dir.as_deref()).map(|(keys, first)| (Some(keys), first))?,
            Access::Open => (None, None),
        };
        let metrics = Arc::new(Metrics::default());
        let claims = match (config.access, &config.state_dir) {
            (Access::Open, Some(dir)) => Some(Claims::load(dir)?),
            _ => None,
        };
        let names = Memory::new(config.limits.tunnels, config.keep_names, was_kept);
        let directory: Arc<dyn Directory> = Arc::new(names.with_keys(keys.clone()).with_claims(claims));
        let greeter = Arc::new(Greeter {
            keys: keys.clone(),
            directory: directory.clone(),
            tickets: tickets.clone(),
            origin: origin(&config, &public),
            limits: config.limits.clone(),
            rates: config.rates,
            unread: AllUnread::new(config.limits.unread),
            sources: Sources::new(config.limits.tunnels_per_source),
            changes: PerSource::new(TOKEN_CHANGES, MAX_STRANGERS),
            roster: Roster::default(),
            certificates: certificates.current.clone(),
            audit: audit.lines(),
            metrics: metrics.clone(),
        });
        let agents = Listener::new(
            sockets.agents,
            tls::server_config(certificates.current.clone(), &[])?,
            &state::key(config.state_dir.as_deref(), "reset.key")?,
        )?;
        let transport = if is_plain {
            Transport::Plain
        } else {
            let config = tls::server_config(certificates.current.clone(), &[b"h2", b"http/1.1", tcp::ALPN])?;
            Transport::Tls(tls::Acceptor::new(&certificates, config)?)
        };

        let workers = Workers::start(config.workers)?;
        let (stop, cut, admin_stop) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let (mut tasks, mut admin_tasks) = (JoinSet::new(), JoinSet::new());
        let addresses = Addresses {
            edge: edge_address,
            agents: agents.local_addr()?,
            http: sockets.http.as_ref().map(TcpListener::local_addr).transpose()?,
            admin: sockets.admin.as_ref().map(TcpListener::local_addr).transpose()?,
        };
        let (drain, state_dir) = (config.drain, config.state_dir.clone());
        let can_be_taken_over = config.can_be_taken_over;
        let ((door, over_tcp), (agents_moves, moves)) = (tunnels::door(), tunnels::moves());
        // The public's door: closed until the agents are here.
        let (open, taken_over) = (CancellationToken::new(), CancellationToken::new());
        if sockets.predecessor.is_none() {
            open.cancel();
        }
        #[cfg(unix)]
        if can_be_taken_over && let Some(dir) = &state_dir {
            let giving = Giving {
                listeners: takeover::Listeners {
                    edge: sockets.edge.iter().map(TcpListener::try_clone).collect::<Result<_, _>>()?,
                    http: sockets.http.as_ref().map(TcpListener::try_clone).transpose()?,
                    admin: sockets.admin.as_ref().map(TcpListener::try_clone).transpose()?,
                },
                agents: agents_moves,
                taken_over: taken_over.clone(),
            };
            let predecessor = sockets.predecessor.map(|Predecessor(predecessor)| predecessor);
            let giving = takeover::serve(dir, predecessor, greeter.roster.greeted(), open.clone(), giving);
            let stop = stop.clone();
            tasks.spawn(async move {
                stop.run_until_cancelled(giving).await;
            });
        }
        let listeners = Listeners::default();
        let sources = metrics::Sources {
            greeter: greeter.clone(),
            certificate: (!is_plain).then(|| certificates.current.clone()),
            is_ordered: matches!(config.tls, TlsConfig::Acme(_)),
            audit: audit.lines(),
        };
        let scrapes = admin::Scrapes::new(metrics::registry(&metrics, sources));
        let kept_up = tls::Surroundings { directory: directory.clone(), audit: audit.lines(), open: open.clone() };
        let around = Around {
            directory,
            audit,
            agents: door,
            workers: workers.crew(),
            metrics,
            proofs: certificates.http.clone(),
        };
        let edge = Edge::new(config, public, around);
        let serve = |listener: TcpListener, name: &'static str, transport: Transport| {
            let (listener, edge, open) = (listening(listener)?, edge.clone(), open.clone());
            let (stop, cut, standing) = (stop.clone(), cut.clone(), listeners.add(name));
            Ok::<_, StartError>(async move {
                if stop.run_until_cancelled(open.cancelled()).await.is_some() {
                    standing.open();
                    edge::serve(listener, transport, edge, stop, cut).await;
                }
            })
        };
        for listener in sockets.edge {
            tasks.spawn(serve(listener, "public", transport.clone())?);
        }
        if let Some(listener) = sockets.http {
            tasks.spawn(serve(listener, "http", Transport::Redirect)?);
        }
        if let Some(listener) = sockets.admin {
            let (listener, stopping, open) = (listening(listener)?, stop.clone(), open.clone());
            let ready = Ready::new(certificates.current.clone(), keys.clone(), listeners.clone(), stopping);
            let stop = admin_stop.clone();
            let standing = listeners.add("admin");
            let api = keys.zip(state_dir.as_deref()).map(|(keys, dir)| admin::Api::new(keys, dir)).transpose()?;
            let admin = Admin { api, ready, scrapes };
            admin_tasks.spawn(async move {
                if stop.run_until_cancelled(open.cancelled()).await.is_none() {
                    return;
                }
                standing.open();
                if let Err(error) = admin::serve(listener, admin, stop).await {
                    tracing::error!(%error, "admin listener failed");
                }
            });
        }
        let ways = Ways { quic: agents, over_tcp, moves, workers: workers.crew(), listening: listeners.add("agents") };
        tasks.spawn(tunnels::serve(ways, greeter, stop.clone(), cut.clone(), drain.as_secs()));
        if let Some(dir) = state_dir {
            let stop = stop.clone();
            tasks.spawn(async move {
                stop.run_until_cancelled(tickets.watch(&dir)).await;
            });
        }
        if let Some(watch) = certificates.watch {
            let (current, stop) = (certificates.current, stop.clone());
            tasks.spawn(async move {
                stop.run_until_cancelled(watch.run(current, kept_up)).await;
            });
        }
        Ok(Self {
            tasks,
            admin: admin_tasks,
            admin_stop,
            stop,
            cut,
            taken_over,
            drain,
            addresses,
            ca: certificates.ca,
            audit: keeper,
            first_key,
            _workers: workers,
        })
    }

    /// Where the public is answered.
    #[must_use]
    pub fn edge_addr(&self) -> SocketAddr {
        self.addresses.edge
    }

    /// Where agents are answered.
    #[must_use]
    pub fn agent_addr(&self) -> SocketAddr {
        self.addresses.agents
    }

    /// Where plain HTTP is sent to HTTPS.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.addresses.http
    }

    /// Where the operator is answered.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.addresses.admin
    }

    /// The certificate, in PEM, that agents and callers have to trust when the relay has its own CA.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_ref().map(|ca| ca.pem.as_str())
    }

    /// The file that [`ca_pem`](Self::ca_pem) is kept in.
    #[must_use]
    pub fn ca_path(&self) -> Option<&Path> {
        self.ca.as_ref().and_then(|ca| ca.path.as_deref())
    }

    /// SHA-256 of [`ca_pem`](Self::ca_pem)'s certificate.
    #[must_use]
    pub fn ca_fingerprint(&self) -> Option<&str> {
        self.ca.as_ref().map(|ca| ca.fingerprint.as_str())
    }

    /// The access key that a first start has made; it is told here and nowhere else.
    #[must_use]
    pub fn first_key(&self) -> Option<&Secret> {
        self.first_key.as_ref()
    }

    /// Cancelled when another process has taken over: then it is time to [shut down](Self::shutdown).
    #[must_use]
    pub fn taken_over(&self) -> CancellationToken {
        self.taken_over.clone()
    }

    /// Cancelled, it ends a [`shutdown`](Self::shutdown) at once: what has not finished is cut, and agents are told.
    #[must_use]
    pub fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Stops accepting, tells the agents, lets streams finish for as long as the configuration says, and ends. `true`
    /// when everything had finished by itself.
    pub async fn shutdown(mut self) -> bool {
        self.stop.cancel();
        if self.taken_over.is_cancelled() {
            // The other process answers the operator on the same listener.
            self.admin_stop.cancel();
        }
        let edge_done = async {
            // The tunnels' task ends only after the cut: it is the last one.
            while self.tasks.len() > 1 && self.tasks.join_next().await.is_some() {}
        };
        let cut = self.cut.clone();
        let drained = tokio::time::timeout(self.drain, cut.run_until_cancelled(edge_done)).await;
        let drained = matches!(drained, Ok(Some(())));
        self.cut.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.admin_stop.cancel();
        // Whoever asks and does not read is not waited for.
        let admin_done = async { while self.admin.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_ANSWERS, admin_done).await.is_err() {
            tracing::debug!("an answer to the operator was cut");
        }
        drop(self.audit.take());
        drained
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

fn listening(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

fn origin(config: &Config, public: &PublicOrigin) -> String {
    let host = match config.routing {
        Routing::Names => format!("*.{}", config.domain.as_str()),
        Routing::Single => config.domain.as_str().to_owned(),
    };
    let default = if public.scheme == Scheme::HTTPS { 443 } else { 80 };
    if public.port == default {
        format!("{}://{host}", public.scheme)
    } else {
        format!("{}://{host}:{}", public.scheme, public.port)
    }
}
