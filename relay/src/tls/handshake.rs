//! The handshake with a caller. Where names have certificates of their own it is looked first for which name a caller has
//! come: one that is being ordered is waited for, and a certificate authority is shown its proof.

use std::io;
use std::sync::Arc;

use gantz_acme::TlsAlpn;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
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
}

impl Acceptor {
    pub(crate) fn new(certificates: &Certificates, config: ServerConfig) -> Result<Self, TlsError> {
        let proofs = certificates.tls_alpn.as_ref().map(TlsAlpn::server_config).transpose()?.map(Arc::new);
        let current = &certificates.current;
        let by_name = current.is_by_name().then(|| ByName { current: current.clone(), proofs });
        Ok(Self { config: Arc::new(config), by_name })
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Accepted> {
        let Some(by_name) = &self.by_name else {
            let stream = TlsAcceptor::from(self.config.clone()).accept(stream).await?;
            return Ok(Accepted::Caller(Box::new(stream)));
        };
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
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
        let stream = start.into_stream(self.config.clone()).await?;
        Ok(Accepted::Caller(Box::new(stream)))
    }
}
