//! TCP over a bad network, as the two ends of a stream see it: loss, reordering and duplication are the kernel's business, and
//! what is left of them is that a piece, and all behind it, comes later (RFC 6298: by 200 ms at least).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Way;

/// What becomes of a piece of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It arrives.
    Arrives,
    /// It arrives so much later, and nothing behind it before.
    Waits(Duration),
    /// The connection is cut, both ways.
    Breaks,
}

/// Decides what becomes of a piece of a stream of so many bytes.
pub type Course = Box<dyn FnMut(Way, usize) -> Step + Send>;

/// Everything arrives.
pub fn calm() -> Course {
    Box::new(|_, _| Step::Arrives)
}

/// Bytes that are read at once, about as many as are in a segment with its offloads.
const PIECE: usize = 16 << 10;

/// Pieces that may be on their way in one direction; then nothing is read, and the sender's window closes.
const UNDER_WAY: usize = 256;

/// Carries connections to `edge` and back.
pub(super) async fn carry(listener: TcpListener, edge: SocketAddr, course: Arc<Mutex<Course>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (near, _) = accepted.unwrap();
                connections.spawn(join(near, edge, course.clone()));
            }
            // However it ended: both ends know.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Both directions of one connection; where one is cut, both sockets are dropped.
async fn join(near: TcpStream, edge: SocketAddr, course: Arc<Mutex<Course>>) -> std::io::Result<()> {
    let far = TcpStream::connect(edge).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::try_join!(flow(Way::Up, from_near, to_far, &course), flow(Way::Down, from_far, to_near, &course))?;
    Ok(())
}

/// One direction, to its end.
async fn flow(
    way: Way,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    course: &Mutex<Course>,
) -> std::io::Result<()> {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Bytes)>(UNDER_WAY);
    let read = async move {
        let mut due = Instant::now();
        loop {
            let mut piece = BytesMut::with_capacity(PIECE);
            if from.read_buf(&mut piece).await? == 0 {
                return Ok::<_, std::io::Error>(());
            }
            let step = (course.lock().unwrap())(way, piece.len());
            due = match step {
                Step::Arrives => due.max(Instant::now()),
                Step::Waits(later) => due.max(Instant::now() + later),
                Step::Breaks => return Err(std::io::ErrorKind::ConnectionAborted.into()),
            };
            if sender.send((due, piece.freeze())).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = pieces.recv().await {
            tokio::time::sleep_until(due).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write)?;
    Ok(())
}
