//! The load: a closed loop, each connection sending its next request when it has the whole answer to the last.
//!
//! On stdout it says `begin` when everything is connected and warm, and then, as one JSON object, what came of it. What
//! is between the two lines is what its parent measures of every process; it ends with its stdin, when that is done.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use gantz_tests::client::Io;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::origin::SMALL;
use crate::payload::Payload;

/// A small MCP call.
const CALL: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello, world"}}}"#;

/// What the load does and where. Whoever starts it is [`crate::cases`].
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[arg(long)]
    pub(crate) address: SocketAddr,
    #[arg(long)]
    pub(crate) authority: String,
    #[arg(long)]
    pub(crate) token: Option<String>,
    #[arg(long)]
    pub(crate) ca: Option<PathBuf>,
    #[arg(long, value_enum)]
    pub(crate) work: Work,
    #[arg(long)]
    pub(crate) connections: usize,
    /// Of requests: how long they are counted; a quarter of it is spent beforehand, to warm up.
    #[arg(long)]
    pub(crate) millis: u64,
    /// Of a download or an upload: its length.
    #[arg(long)]
    pub(crate) bytes: u64,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// A small answer.
    Get,
    /// A small answer to a small body.
    Post,
    /// As `Get`, each on a connection of its own.
    Connect,
    /// A long answer.
    Down,
    /// A long body.
    Up,
}

/// Does what `args` say.
pub(crate) async fn run(args: &LoadArgs) {
    let client = Arc::new(Client::new(args));
    match args.work {
        Work::Down | Work::Up => bulk(&client, args).await,
        _ => requests(client, args).await,
    }
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

async fn requests(client: Arc<Client>, args: &LoadArgs) {
    let mut ready = Vec::new();
    for _ in 0..args.connections {
        ready.push(client.connect().await);
    }
    let time = Duration::from_millis(args.millis);
    let begin = Instant::now() + time / 4;
    let end = begin + time;
    let mut running = JoinSet::new();
    for mut connection in ready {
        let (client, work) = (client.clone(), args.work);
        running.spawn(async move {
            let mut took = Vec::with_capacity(1 << 16);
            loop {
                let sent = Instant::now();
                if work == Work::Connect {
                    connection = client.connect().await;
                }
                let length = client.call(&mut connection, work, "/mcp", 0).await;
                assert_eq!(length, SMALL as u64, "another answer than the local server's");
                let done = Instant::now();
                if done >= end {
                    return took;
                }
                if done >= begin {
                    took.push(u32::try_from((done - sent).as_nanos()).unwrap_or(u32::MAX));
                }
            }
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    say("begin");
    let mut took = running.join_all().await.concat();
    let rate = took.len() as f64 / time.as_secs_f64();
    took.sort_unstable();
    let percentile = |share: f64| took.get((took.len() as f64 * share) as usize).map(|nanos| f64::from(*nanos) / 1e6);
    say(&json!({ "count": took.len(), "rate": rate, "p50_ms": percentile(0.5), "p99_ms": percentile(0.99) })
        .to_string());
}

async fn bulk(client: &Client, args: &LoadArgs) {
    let mut connection = client.connect().await;
    client.call(&mut connection, Work::Get, "/mcp", 0).await;
    let (path, length) = match args.work {
        Work::Up => ("/up".to_owned(), args.bytes),
        _ => (format!("/down/{}", args.bytes), 0),
    };
    say("begin");
    let begin = Instant::now();
    let came = client.call(&mut connection, args.work, &path, length).await;
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(came, if args.work == Work::Up { SMALL as u64 } else { args.bytes }, "a body of another length");
    let megabytes = args.bytes as f64 / 1e6;
    say(&json!({ "count": megabytes, "rate": megabytes / seconds }).to_string());
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

type Connection = SendRequest<Payload>;

struct Client {
    address: SocketAddr,
    host: String,
    authority: HeaderValue,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
}

impl Client {
    fn new(args: &LoadArgs) -> Self {
        Self {
            address: args.address,
            host: args.authority.rsplit_once(':').map_or(args.authority.as_str(), |(host, _)| host).to_owned(),
            authority: HeaderValue::try_from(&args.authority).unwrap(),
            authorization: args.token.as_ref().map(|token| HeaderValue::try_from(format!("Bearer {token}")).unwrap()),
            tls: args.ca.as_ref().map(tls),
        }
    }

    async fn connect(&self) -> Connection {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let io: Box<dyn Io + Unpin> = match &self.tls {
            Some(tls) => Box::new(tls.connect(ServerName::try_from(self.host.clone()).unwrap(), tcp).await.unwrap()),
            None => Box::new(tcp),
        };
        let (sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
        tokio::spawn(async move { connection.await.unwrap() });
        sender
    }

    /// One request, and the length of its answer. Any answer but a 200 is a failure of the whole measurement.
    async fn call(&self, connection: &mut Connection, work: Work, path: &str, length: u64) -> u64 {
        let (method, body) = match work {
            Work::Get | Work::Connect | Work::Down => (Method::GET, Payload::zeros(0)),
            Work::Post => (Method::POST, Payload::bytes(Bytes::from_static(CALL))),
            Work::Up => (Method::POST, Payload::zeros(length)),
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.authority);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        connection.ready().await.unwrap();
        let mut answer = connection.send_request(request.body(body).unwrap()).await.unwrap();
        let mut came = 0;
        while let Some(frame) = answer.body_mut().frame().await {
            came += frame.unwrap().data_ref().map_or(0, Bytes::len) as u64;
        }
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.headers());
        came
    }
}

/// TLS for HTTP/1.1, as a caller that trusts the authority in `file`.
fn tls(file: &PathBuf) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A fresh connection is to cost what a new caller's costs.
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}
