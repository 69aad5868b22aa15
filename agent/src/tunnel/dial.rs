//! Opening a tunnel: resolve, connect, `hello`, `welcome`.

use std::net::SocketAddr;
use std::sync::Arc;

use gantz_shared::control::{FromAgent, FromRelay, Hello, Policy, RefusalCode, Refused, Run, Secret};
use gantz_shared::limits::HANDSHAKE_DEADLINE;
use gantz_shared::reset::CloseCode;
use gantz_transport::control::{self, ControlSender, channel};
use gantz_transport::{ConnectError, Dropped};
use rustls::{ClientConfig, RootCertStore};

use super::Session;
use super::connect::{Dialled, connect};
use crate::config::{Config, RelayAddress, Transports, Trust};
use crate::fingerprint::Pinned;
use crate::tokens::Book;

/// What is opened, besides what the configuration says.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The ticket of an earlier tunnel: under its name.
    pub resume: Option<Secret>,
    /// That earlier tunnel is still open, and is to go on until nothing is left to do there.
    pub moves: bool,
    /// Which run of the agent this is, and what it has opened before.
    pub run: Run,
    /// What may carry it.
    pub transports: Transports,
}

/// Opens a tunnel. Done or failed within
/// [`HANDSHAKE_DEADLINE`] for each of the relay's addresses, and as long again for the greeting.
///
/// # Errors
/// [`OpenError`]
pub async fn open(config: &Config, tokens: &Book, opening: &Opening) -> Result<Session, OpenError> {
    let addresses = resolve(&config.relay).await?;
    let tls = client_config(&config.trust)?;
    let mut last = OpenError::Unresolved("it has no address".into());
    for address in addresses {
        match open_at(config, tokens, address, tls.clone(), opening).await {
            Err(error @ (OpenError::Connect(_) | OpenError::Socket(_) | OpenError::Blocked { .. })) => last = error,
            other => return other,
        }
    }
    Err(last)
}

async fn resolve(relay: &RelayAddress) -> Result<Vec<SocketAddr>, OpenError> {
    let found = tokio::net::lookup_host((relay.host.as_str(), relay.port)).await;
    let mut addresses: Vec<_> = found.map_err(|error| OpenError::Unresolved(error.to_string()))?.collect();
    // The order of the system's resolver stands, but a name's IPv4 and IPv6 addresses are both tried.
    addresses.dedup();
    Ok(addresses)
}

fn client_config(trust: &Trust) -> Result<ClientConfig, OpenError> {
    let mut roots = RootCertStore::empty();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    match trust {
        // Who believes one authority only looks for it in what the relay shows.
        Trust::Fingerprint(_) => {}
        Trust::Only(certificates) => {
            for certificate in certificates {
                roots.add(certificate.clone()).map_err(|error| OpenError::Trust(error.to_string()))?;
            }
        }
        Trust::System => {
            let loaded = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(loaded.certs);
            if roots.is_empty() {
                return Err(OpenError::Trust("the system has no certificate authorities".into()));
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| OpenError::Trust(error.to_string()))?;
    let builder = match *trust {
        Trust::Fingerprint(fingerprint) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { fingerprint, provider }))
        }
        _ => builder.with_root_certificates(roots),
    };
    Ok(builder.with_no_client_auth())
}

async fn open_at(
    config: &Config,
    tokens: &Book,
    address: SocketAddr,
    tls: ClientConfig,
    opening: &Opening,
) -> Result<Session, OpenError> {
    // Boxed: most of what a handshake is made of, which a tunnel that is open need not carry.
    let connecting = Box::pin(connect(opening.transports, address, &config.relay.host, tls));
    let Dialled { dialer, connection, carried } = connecting.await?;
    let (generation, entries) = tokens.entries();
    let greeting = async {
        let stream = connection.open(Dropped::CONTROL).await.map_err(|lost| OpenError::Greeting(lost.to_string()))?;
        let (mut sender, mut receiver) = channel(stream);
        let hello = Hello {
            agent: concat!("gantz/", env!("CARGO_PKG_VERSION")).to_owned(),
            access_key: config.access_key.clone(),
            wanted_name: config.name.clone(),
            resume: opening.resume.clone(),
            moves: opening.moves,
            run: Some(opening.run.clone()),
            policy: Policy { tokens: entries, ..config.policy.clone() },
        };
        sender.send(&FromAgent::Hello(hello)).await?;
        match receiver.receive().await? {
            Some(FromRelay::Welcome(welcome)) => {
                let told = if welcome.awaited { arrive(&mut sender, tokens, generation).await? } else { generation };
                Ok((sender, receiver, welcome, told))
            }
            Some(FromRelay::Refused(refused)) => {
                connection.close(CloseCode::Done, "refused");
                dialer.wait_idle().await;
                Err(match refused.code {
                    RefusalCode::Superseded => OpenError::Replaced,
                    _ => OpenError::Refused(refused),
                })
            }
            Some(_) => Err(OpenError::Greeting("the relay said something else than welcome".into())),
            None => Err(OpenError::Greeting("the relay ended the control stream".into())),
        }
    };
    let (sender, receiver, welcome, told) = tokio::time::timeout(HANDSHAKE_DEADLINE, greeting)
        .await
        .map_err(|_| OpenError::Greeting(format!("no welcome within {} s", HANDSHAKE_DEADLINE.as_secs())))??;
    tracing::debug!(name = %welcome.name, relay = welcome.relay, %address, %carried, "tunnel opened");
    tokens.applied(generation, &welcome.lives);
    Ok(Session::new(dialer, connection, carried, (sender, receiver), welcome, told))
}

/// Lets callers come, but not those with tokens that have died since `hello` told of this `generation`. Answers with the
/// one that is told now.
async fn arrive(sender: &mut ControlSender, tokens: &Book, generation: u64) -> Result<u64, control::Error> {
    let (newest, entries) = tokens.entries();
    if newest != generation {
        sender.send(&FromAgent::SetTokens { generation: newest, tokens: entries }).await?;
    }
    sender.send(&FromAgent::Arrived).await?;
    Ok(newest)
}

/// Why there is no tunnel.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// DNS does not know the relay.
    #[error("its name does not resolve: {0}")]
    Unresolved(String),
    /// No usable certificate authorities on this side.
    #[error("{0}")]
    Trust(String),
    /// No UDP socket on this side.
    #[error("no UDP socket: {0}")]
    Socket(String),
    /// The handshake failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Nothing came back over UDP, and over TCP it does not go either.
    #[error("{udp}; over TCP: {tcp}")]
    Blocked {
        /// What happened over UDP.
        udp: String,
        /// What happened over TCP.
        tcp: ConnectError,
    },
    /// The relay did not greet back.
    #[error("{0}")]
    Greeting(String),
    /// The relay refuses.
    #[error("{}", .0.message)]
    Refused(Refused),
    /// Another agent with the same ticket has the name now.
    #[error("another agent opened a newer tunnel of this name")]
    Replaced,
}

impl From<control::Error> for OpenError {
    fn from(error: control::Error) -> Self {
        Self::Greeting(error.to_string())
    }
}

impl OpenError {
    /// Whether another try can end otherwise.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.retry_after.is_none(),
            Self::Connect(ConnectError::Protocol) | Self::Trust(_) | Self::Replaced => true,
            _ => false,
        }
    }
}
