//! A caller, as the load has many: HTTP/1.1 or HTTP/2, in clear or over TLS, with a token or without.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::client::Io;
use bytes::Bytes;
use clap::Args;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::payload::Payload;

/// Over HTTP/2: how many of the load's "connections" are streams of one real one, as of a client that keeps a few.
pub const STREAMS: usize = 16;

/// Where the load goes, and what it shows there.
#[derive(Debug, Clone, Args)]
pub struct Target {
    #[arg(long)]
    pub address: SocketAddr,
    #[arg(long)]
    pub authority: String,
    #[arg(long)]
    pub token: Option<String>,
    /// The authority to believe, where the way is TLS.
    #[arg(long)]
    pub ca: Option<PathBuf>,
    #[arg(long)]
    pub http2: bool,
}

impl Target {
    /// HTTP/1.1 at `address`, without a token.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, authority: address.to_string(), token: None, ca: None, http2: false }
    }

    /// The same as arguments of a program.
    pub fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--address".into(), self.address.to_string().into()];
        args.extend(["--authority".into(), self.authority.clone().into()]);
        args.extend(self.token.iter().flat_map(|token| ["--token".into(), token.into()]));
        args.extend(self.ca.iter().flat_map(|ca| ["--ca".into(), ca.into()]));
        args.extend(self.http2.then(|| "--http2".into()));
        args
    }
}

/// One of the load's connections.
pub enum Connection {
    Http1(http1::SendRequest<Payload>),
    /// One of several that share a real one.
    Http2(http2::SendRequest<Payload>),
}

impl Connection {
    /// Another of those that share the real one; none of HTTP/1.1.
    pub fn shared(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }

    /// Whether it takes no more requests.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

/// Makes connections to one target, and requests over them.
pub struct Client {
    address: SocketAddr,
    host: String,
    authority: HeaderValue,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
    is_http2: bool,
}

impl Client {
    pub fn new(target: &Target) -> Self {
        let authorization = |token: &String| HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        let host = target.authority.rsplit_once(':').map_or(target.authority.as_str(), |(host, _)| host);
        Self {
            address: target.address,
            host: host.to_owned(),
            authority: HeaderValue::try_from(&target.authority).unwrap(),
            authorization: target.token.as_ref().map(authorization),
            tls: target.ca.as_ref().map(|ca| tls(ca, if target.http2 { b"h2" } else { b"http/1.1" })),
            is_http2: target.http2,
        }
    }

    /// So many, of which over HTTP/2 each [`STREAMS`] are a real one.
    pub async fn connections(&self, count: usize) -> Vec<Connection> {
        let mut connections: Vec<Connection> = Vec::with_capacity(count);
        for index in 0..count {
            let last = connections.last().filter(|_| !index.is_multiple_of(STREAMS));
            let shared = last.and_then(Connection::shared);
            connections.push(match shared {
                Some(shared) => shared,
                None => self.connect().await,
            });
        }
        connections
    }

    /// A real one.
    pub async fn connect(&self) -> Connection {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let io: Box<dyn Io + Unpin> = match &self.tls {
            Some(tls) => Box::new(tls.connect(ServerName::try_from(self.host.clone()).unwrap(), tcp).await.unwrap()),
            None => Box::new(tcp),
        };
        // How a connection ends, whoever has sent a request on it learns.
        if self.is_http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
            tokio::spawn(connection);
            Connection::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
            tokio::spawn(connection);
            Connection::Http1(sender)
        }
    }

    /// One request, and its answer as soon as that begins. Any but a 200 is a failure of the whole measurement.
    pub async fn open(&self, connection: &mut Connection, method: Method, path: &str, body: Payload) -> Incoming {
        let mut request = Request::builder().method(method);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let answer = match connection {
            Connection::Http1(sender) => {
                let request = request.uri(path).header(header::HOST, &self.authority).body(body).unwrap();
                sender.ready().await.unwrap();
                sender.send_request(request).await
            }
            Connection::Http2(sender) => {
                let authority = self.authority.to_str().expect("it was text");
                let request = request.uri(format!("https://{authority}{path}")).body(body).unwrap();
                sender.ready().await.unwrap();
                sender.send_request(request).await
            }
        };
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.headers());
        answer.into_body()
    }

    /// One request, and the length of its answer when all of it is there.
    pub async fn call(&self, connection: &mut Connection, method: Method, path: &str, body: Payload) -> u64 {
        let mut answer = self.open(connection, method, path, body).await;
        let mut came = 0;
        while let Some(frame) = answer.frame().await {
            came += frame.unwrap().data_ref().map_or(0, Bytes::len) as u64;
        }
        came
    }
}

/// TLS as a caller that trusts the authority in `file`.
fn tls(file: &PathBuf, alpn: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    // A fresh connection is to cost what a new caller's costs.
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}
