//! Local servers in this process: an axum router over a real socket, or a script of bytes for what no library would
//! say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::HeaderMap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::canary;

/// A local server.
pub struct Origin {
    address: SocketAddr,
    task: JoinHandle<()>,
    seen: Arc<Seen>,
}

/// What a server saw of the requests it got.
#[derive(Debug, Default)]
pub struct Seen {
    requests: Mutex<Vec<Head>>,
    came: Notify,
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Head {
    pub method: String,
    pub path: String,
    pub fields: HeaderMap,
}

impl Origin {
    /// Serves `router`, and notes every request's head.
    pub fn axum(router: Router) -> Self {
        let seen = Arc::new(Seen::default());
        let noted = seen.clone();
        let router = router.layer(axum::middleware::from_fn(move |request: Request, next: axum::middleware::Next| {
            noted.note(&request);
            next.run(request)
        }));
        Self::spawn(seen, |listener| async move {
            axum::serve(listener, router).await.unwrap();
        })
    }

    /// Gives each connection to `script`.
    pub fn raw<F, Fut>(script: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::spawn(Arc::default(), |listener| async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(script(stream));
            }
        })
    }

    fn spawn<F, Fut>(seen: Arc<Seen>, serve: F) -> Self
    where
        F: FnOnce(TcpListener) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(TcpListener::from_std(listener).unwrap()));
        Self { address, task, seen }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Head> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// The last request.
    pub fn last(&self) -> Head {
        self.requests().last().cloned().expect("a request came")
    }

    /// Stops taking connections and drops the open ones.
    pub async fn kill(&mut self) {
        self.task.abort();
        // Aborted or done: the sockets are closed when the handle says so.
        let _ = (&mut self.task).await;
    }
}

impl Seen {
    fn note(&self, request: &Request) {
        // What the edge was shown is not for the local server, under whatever name it came.
        let head = format!("{} {:?}", request.uri(), request.headers());
        if let Some(spelling) = canary::find(head.as_bytes()) {
            canary::leaked(head.as_bytes(), spelling);
        }
        self.requests.lock().unwrap().push(Head {
            method: request.method().to_string(),
            path: request.uri().to_string(),
            fields: request.headers().clone(),
        });
        self.came.notify_waiters();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server that answers every request with its own body, whatever the path.
pub fn echo() -> Origin {
    Origin::axum(Router::new().fallback(async |body: Bytes| body.into_response()))
}
