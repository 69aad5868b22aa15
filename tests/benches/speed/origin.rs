//! The local server: a small JSON answer on any path, `/down/BYTES` for a download, `/up` for an upload. It ends with
//! its stdin, and so with the process that started it.

use std::convert::Infallible;
use std::io::Read;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::payload::Payload;

/// Bytes of the small answer.
pub(crate) const SMALL: usize = 200;

/// Serves on a port of the system's choice and prints the address.
pub(crate) async fn run() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        () = accept(listener) => {}
        _ = end => {}
    }
}

async fn accept(listener: TcpListener) {
    let small = small();
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

async fn answer(request: Request<Incoming>, small: Bytes) -> Result<Response<Payload>, Infallible> {
    let path = request.uri().path();
    let body = if let Some(length) = path.strip_prefix("/down/").and_then(|length| length.parse().ok()) {
        Payload::zeros(length)
    } else {
        let mut body = request.into_body();
        while let Some(Ok(_)) = body.frame().await {}
        Payload::bytes(small)
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// JSON as a small tool call answers it.
fn small() -> Bytes {
    let frame = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":""}]}}"#;
    let text = "x".repeat(SMALL - frame.len());
    Bytes::from(frame.replace(r#""text":"""#, &format!(r#""text":"{text}""#)))
}
