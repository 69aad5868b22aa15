//! The callers' process. Told `open N`, it opens streams over all tunnels in turn until there are as many; told
//! `await N`, it waits until each has brought every event up to number N that was sent since it was opened.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures_util::StreamExt;
use gantz_tests::{canary, client};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::role::{commands, say};

/// Streams that are being opened at once.
const AT_ONCE: usize = 32;

/// From one look at what has come to the next.
const SOON: Duration = Duration::from_millis(5);

/// How long events may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct CallerArgs {
    /// Where the relay takes callers
    #[arg(long)]
    edge: SocketAddr,
    #[arg(long)]
    ca: PathBuf,
    /// Many streams on one HTTP/2 connection a tunnel, instead of a connection of HTTP/1.1 each
    #[arg(long)]
    http2: bool,
    /// Public URLs of the tunnels
    urls: Vec<Uri>,
}

/// What one stream has brought.
#[derive(Default)]
struct Brought {
    events: AtomicU64,
    is_over: AtomicU64,
}

/// An open stream, and the last event that was sent before it.
struct Stream {
    brought: Arc<Brought>,
    since: u64,
}

pub(crate) async fn run(args: &CallerArgs) {
    let mut callers = Callers::new(args).await;
    let mut streams: Vec<Stream> = Vec::new();
    let (mut sent, mut told) = (0, commands());
    say(&json!({ "ready": true }));
    while let Some(command) = told.recv().await {
        let (verb, number) = command.split_once(' ').unwrap();
        let number: u64 = number.parse().unwrap();
        match verb {
            "open" => {
                let more = (streams.len() as u64..number).map(|index| callers.open(index as usize));
                let more: Vec<_> = futures_util::stream::iter(more).buffer_unordered(AT_ONCE).collect().await;
                streams.extend(more.into_iter().map(|brought| Stream { brought, since: sent }));
            }
            "await" => {
                sent = number;
                let came = async {
                    while streams.iter().any(|stream| stream.came() < sent - stream.since) {
                        tokio::time::sleep(SOON).await;
                    }
                };
                // What has not come by then is in the answer.
                let _ = tokio::time::timeout(PATIENCE, came).await;
            }
            other => panic!("{other:?} is no command"),
        }
        say(&json!({
            "open": streams.len(),
            "events": streams.iter().map(Stream::came).sum::<u64>(),
            "wrong": streams.iter().filter(|stream| stream.came() != sent - stream.since).count(),
            "over": streams.iter().filter(|stream| stream.brought.is_over.load(Ordering::Relaxed) > 0).count(),
        }));
        callers.check();
    }
}

impl Stream {
    fn came(&self) -> u64 {
        self.brought.events.load(Ordering::Relaxed)
    }
}

struct Callers {
    edge: SocketAddr,
    urls: Vec<Uri>,
    http1: TlsConnector,
    /// A connection a tunnel, where it is HTTP/2.
    http2: Vec<http2::SendRequest<Empty<Bytes>>>,
}

impl Callers {
    async fn new(args: &CallerArgs) -> Self {
        let pem = std::fs::read_to_string(&args.ca).unwrap();
        let tls = |alpn: &[u8]| TlsConnector::from(Arc::new(client::trusting(&pem, &[alpn])));
        let mut callers = Self { edge: args.edge, urls: args.urls.clone(), http1: tls(b"http/1.1"), http2: Vec::new() };
        if args.http2 {
            for url in &args.urls {
                let io = callers.connect(&tls(b"h2"), url).await;
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                callers.http2.push(sender);
            }
        }
        callers
    }

    fn check(&mut self) {
        assert!(self.http2.iter().all(|connection| !connection.is_closed()), "a connection has ended");
    }

    async fn connect(&self, tls: &TlsConnector, url: &Uri) -> TokioIo<tokio_rustls::client::TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.edge).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from(url.host().unwrap().to_owned()).unwrap();
        TokioIo::new(tls.connect(name, tcp).await.unwrap())
    }

    /// A stream whose answer has begun.
    async fn open(&self, index: usize) -> Arc<Brought> {
        let url = &self.urls[index % self.urls.len()];
        let request = Request::get(format!("{url}mcp"))
            .header(header::AUTHORIZATION, format!("Bearer {}", canary::TOKEN))
            .header(header::ACCEPT, "text/event-stream");
        let answer = match self.http2.get(index % self.urls.len()) {
            Some(connection) => connection.clone().send_request(request.body(Empty::new()).unwrap()).await.unwrap(),
            None => {
                let io = self.connect(&self.http1, url).await;
                let (mut sender, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                let authority = url.authority().unwrap().as_str();
                let request = request.uri("/mcp").header(header::HOST, authority).body(Empty::<Bytes>::new()).unwrap();
                sender.send_request(request).await.unwrap()
            }
        };
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.headers());
        let brought = Arc::new(Brought::default());
        tokio::spawn(read(answer.into_body(), brought.clone()));
        brought
    }
}

/// Counts events, and not the edge's comments in a silence.
async fn read(mut body: Incoming, brought: Arc<Brought>) {
    let mut held = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        held.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        while let Some(end) = held.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = held.drain(..end + 2).collect();
            brought.events.fetch_add(u64::from(event.starts_with(b"data: ")), Ordering::Relaxed);
        }
        held.shrink_to_fit();
    }
    brought.is_over.store(1, Ordering::Relaxed);
}
