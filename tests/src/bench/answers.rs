//! What a local server answers: a small piece of JSON on any path, `/down/BYTES` for a download, `/up` for an upload, and
//! under `/events/` whatever the benchmark has there.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Either};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::payload::{self, Payload};

/// Serves whoever comes. `events` is asked with what is behind `/events/`.
pub async fn serve<B>(listener: TcpListener, events: impl Fn(&str) -> Option<B> + Clone + Send + 'static)
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let small = payload::small();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (small, events) = (small.clone(), events.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let events = request.uri().path().strip_prefix("/events/").and_then(&events);
                answer(request, events, small.clone())
            });
            // Callers hang up at the end of a measurement; that is no failure.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer<B>(
    request: Request<Incoming>,
    events: Option<B>,
    small: Bytes,
) -> Result<Response<Either<Payload, B>>, Infallible> {
    let path = request.uri().path();
    let (body, kind) = if let Some(events) = events {
        (Either::Right(events), "text/event-stream")
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
