//! The agent's side of the socket.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gantz_shared::control::Secret;
use http::uri::PathAndQuery;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::message::{APPLY, Answer, Command, DEADLINE, MAX_LINE, Made, Refusal, Tunnel};
use super::place::Place;
use crate::kept::Keeper;
use crate::permissions::ToolBook;
use crate::tokens::{Book, Changed, Listed};
use crate::tunnel::Carried;
use crate::upstream::{Upstream, tools};

/// What commands ask for and change.
#[derive(Debug, Clone)]
pub struct Books {
    /// The tunnel's tokens.
    pub tokens: Arc<Book>,
    /// Keeps the tokens for the next run.
    pub keeper: Option<Arc<Keeper>>,
    /// What is known of the local server's tools.
    pub tools: Arc<ToolBook>,
    /// What carries the tunnel.
    pub carried: watch::Receiver<Carried>,
    /// The local server, and where it speaks MCP.
    pub upstream: Arc<Upstream>,
    /// See [`upstream`](Self::upstream).
    pub path: PathAndQuery,
}

/// A socket that is listened on. Dropped, it is gone.
#[derive(Debug)]
pub struct Server {
    socket: PathBuf,
    _serving: AbortOnDropHandle<()>,
}

impl Server {
    /// Listens for commands about `tunnel`, whose tokens and tools are in `books`.
    ///
    /// # Errors
    /// What the system reports, such as a path that is too long for a socket.
    pub fn start(place: &Place, tunnel: Tunnel, books: Books) -> io::Result<Self> {
        let socket = place.socket(tunnel.pid);
        // Of another process that had this number once.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        let owner = place.owner()?;
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, owner, Arc::new(tunnel), books)));
        Ok(Self { socket, _serving: serving })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.socket) {
            tracing::debug!(%error, "control socket not removed");
        }
    }
}

async fn serve(listener: UnixListener, owner: u32, tunnel: Arc<Tunnel>, books: Books) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (tunnel, books) = (tunnel.clone(), books.clone());
                    connections.spawn(async move {
                        match timeout(DEADLINE, converse(stream, owner, &tunnel, &books)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => tracing::debug!(%error, "command not answered"),
                            Err(_) => tracing::debug!("command took too long"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "control socket failed");
                    return;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(mut stream: UnixStream, owner: u32, tunnel: &Tunnel, books: &Books) -> io::Result<()> {
    // The folder keeps others out; this says so where somebody has opened it since.
    let caller = stream.peer_cred()?.uid();
    if caller != owner {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {caller} is not the owner")));
    }
    let (reader, mut writer) = stream.split();
    let mut line = Vec::new();
    BufReader::new(reader.take(MAX_LINE)).read_until(b'\n', &mut line).await?;
    let answer = match serde_json::from_slice(&line) {
        Ok(command) => answer(command, tunnel, books).await,
        Err(_) => Answer::Refused(Refusal {
            why: "this gantz does not know the command; the same version on both sides".into(),
        }),
    };
    let mut line = serde_json::to_vec(&answer).map_err(io::Error::other)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

async fn answer(command: Command, tunnel: &Tunnel, books: &Books) -> Answer {
    let book = &books.tokens;
    if tunnel.tokens.is_none() && !matches!(command, Command::Status) {
        let why = "this tunnel is open to everybody (--auth=none); tokens need --auth";
        return Answer::Refused(Refusal { why: why.into() });
    }
    let changed = match command {
        Command::Status => {
            let tokens = book.list();
            return Answer::Status(Tunnel {
                tokens: tunnel.tokens.map(|_| tokens.len()),
                calls: tokens.iter().map(|token| token.calls).sum(),
                transport: books.carried.borrow().to_string(),
                ..tunnel.clone()
            });
        }
        Command::List => return Answer::Tokens(book.list()),
        Command::Add(spec) => {
            // Whether the globs match anything, and what only reads.
            if !spec.permissions.is_everything()
                && let Err(error) = tools::list(&books.upstream, &books.path, &books.tools).await
            {
                tracing::info!(%error, "tools not known");
            }
            book.add(spec)
        }
        Command::Rotate { which, grace } => book.rotate(which.as_deref(), grace),
        Command::Revoke { which } => book.revoke(&which),
    };
    match changed {
        Ok(changed) => report(changed, books).await,
        Err(error) => Answer::Refused(Refusal { why: error.to_string() }),
    }
}

async fn report(changed: Changed, Books { tokens: book, keeper, tools, .. }: &Books) -> Answer {
    // A crash must not undo what was answered: a revoked token would be back.
    if let Some(keeper) = keeper
        && timeout(APPLY, keeper.has(changed.generation)).await.is_err()
    {
        tracing::warn!("the disk is slow: a change of tokens is not kept yet");
    }
    let applied = timeout(APPLY, book.is_applied(changed.generation)).await.is_ok();
    let Changed { token, ids, .. } = changed;
    let tokens = book.list();
    let mut about = ids.iter();
    let listed = about.next().and_then(|id| tokens.iter().find(|token| token.id == *id));
    match (token, listed) {
        (Some(token), Some(listed)) => Answer::Made(Made {
            token: Secret::new(token.reveal().to_owned()),
            listed: listed.clone(),
            replaces: about.next().cloned(),
            unmatched: unmatched(listed, tools),
            tools: tools.names(),
            applied,
        }),
        (Some(_), None) => Answer::Refused(Refusal { why: "the new token was revoked at once; again".into() }),
        (None, _) => Answer::Revoked { ids, left: tokens.len(), applied },
    }
}

fn unmatched(listed: &Listed, tools: &ToolBook) -> Vec<String> {
    let globs = listed.permissions.tools.as_ref();
    globs.map_or_else(Vec::new, |globs| tools.unmatched(globs).into_iter().map(str::to_owned).collect())
}
