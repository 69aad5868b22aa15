//! The local server: a small JSON answer on any path, `/down/BYTES` for a download, `/up` for an upload,
//! `/events/INDEX/COUNT` for a stream of events. It ends with its stdin, and so with the process that started it.

use std::convert::Infallible;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Either};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::ends::End;
use crate::payload::{self, Payload};
use crate::process::{Announces, Process};
use crate::ticks::Ticks;

/// What it answers with.
type Answer = Either<Payload, Ticks>;

/// Serves at `address` on a port of the system's choice and prints both.
pub(crate) async fn run(address: IpAddr) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        () = accept(listener) => {}
        _ = end => {}
    }
}

/// Starts it as a process at `end`; and where it is found.
pub(crate) async fn start(end: &End) -> (Process, SocketAddr) {
    let mut command = end.this_program();
    command.arg("origin").arg(end.address.to_string());
    Process::start("origin", &mut command, Announces::Stdout, |line| line.parse().ok()).await
}

async fn accept(listener: TcpListener) {
    let small = payload::small();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let small = small.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, small.clone()));
            // Callers hang up at the end of a measurement; that is no failure.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, small: Bytes) -> Result<Response<Answer>, Infallible> {
    let path = request.uri().path();
    let (body, kind) = if let Some(ticks) = path.strip_prefix("/events/").and_then(ticks) {
        (Either::Right(ticks), "text/event-stream")
    } else if let Some(length) = path.strip_prefix("/down/").and_then(|length| length.parse().ok()) {
        (Either::Left(Payload::zeros(length)), "application/json")
    } else {
        let mut body = request.into_body();
        while let Some(Ok(_)) = body.frame().await {}
        (Either::Left(Payload::bytes(small)), "application/json")
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    Ok(response)
}

fn ticks(path: &str) -> Option<Ticks> {
    let (index, count) = path.split_once('/')?;
    Some(Ticks::new(index.parse().ok()?, count.parse().ok()?))
}
