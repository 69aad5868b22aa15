//! The handshake with a caller. Where names have certificates of their own it is looked first for which name a caller has
//! come: one that is being ordered is waited for, and a certificate authority is shown its proof.

use std::io;
use std::sync::Arc;

use gantz_acme::TlsAlpn;
use rustls::ServerConfig;
use rustls::server::ClientHello;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::server::{StartHandshake, TlsStream};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::{Certificates, Current, TlsError};

/// Shakes hands. Has no deadline of its own.
#[derive(Clone)]
pub(crate) struct Acceptor {
    config: Arc<ServerConfig>,
    by_name: Option<ByName>,
}

#[derive(Clone)]
struct ByName {
    current: Arc<Current>,
    /// How proofs are shown, where they are shown in a handshake.
    proofs: Option<Arc<ServerConfig>>,
}

/// Who has come.
pub(crate) enum Accepted {
    /// A caller, or an agent.
    Caller(Box<TlsStream<TcpStream>>),
    /// A certificate authority. There is nothing more to say.
    Authority,
    /// Somebody with whom another worker is to go on.
    Elsewhere(Begun, Handle),
}

/// A handshake that has begun.
pub(crate) struct Begun {
    hello: Box<rustls::server::Accepted>,
    stream: std::net::TcpStream,
    config: Arc<ServerConfig>,
}

/// Says which other worker is to go on with a handshake, if one is.
pub(crate) type Elsewhere<'a> = &'a mut (dyn FnMut(&ClientHello<'_>) -> Option<Handle> + Send);

impl Acceptor {
    pub(crate) fn new(certificates: &Certificates, config: ServerConfig) -> Result<Self, TlsError> {
        let proofs = certificates.tls_alpn.as_ref().map(TlsAlpn::server_config).transpose()?.map(Arc::new);
        let current = &certificates.current;
        let by_name = current.is_by_name().then(|| ByName { current: current.clone(), proofs });
        Ok(Self { config: Arc::new(config), by_name })
    }

    /// Shakes hands, where `elsewhere` does not say that another worker is to.
    pub(crate) async fn accept(&self, stream: TcpStream, elsewhere: Option<Elsewhere<'_>>) -> io::Result<Accepted> {
        if self.by_name.is_none() && elsewhere.is_none() {
            let stream = TlsAcceptor::from(self.config.clone()).accept(stream).await?;
            return Ok(Accepted::Caller(Box::new(stream)));
        }
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        if let Some(by_name) = &self.by_name {
            let (is_authority, host) = {
                let hello = start.client_hello();
                (TlsAlpn::is_asked(&hello), hello.server_name().map(ToOwned::to_owned))
            };
            match (&by_name.proofs, host) {
                (Some(proofs), _) if is_authority => {
                    let mut stream = start.into_stream(proofs.clone()).await?;
                    // RFC 8737 §3: at once, and nothing is said in it.
                    stream.shutdown().await?;
                    return Ok(Accepted::Authority);
                }
                (_, Some(host)) => by_name.current.ready(&host).await,
                _ => {}
            }
        }
        match elsewhere.and_then(|elsewhere| elsewhere(&start.client_hello())) {
            Some(runtime) => {
                let (hello, stream, config) = (Box::new(start.accepted), start.io.into_std()?, self.config.clone());
                Ok(Accepted::Elsewhere(Begun { hello, stream, config }, runtime))
            }
            None => {
                let stream = start.into_stream(self.config.clone()).await?;
                Ok(Accepted::Caller(Box::new(stream)))
            }
        }
    }
}

impl Begun {
    /// Goes on with it, on the worker that this is called on.
    pub(crate) async fn go_on(self) -> io::Result<Accepted> {
        let start = StartHandshake::from_parts(*self.hello, TcpStream::from_std(self.stream)?);
        let stream = start.into_stream(self.config).await?;
        Ok(Accepted::Caller(Box::new(stream)))
    }
}
