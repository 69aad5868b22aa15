//! The local server: whatever it is asked, it answers with a stream of events. Told `event`, it sends one to every stream.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use serde_json::json;

use crate::role::{commands, say};

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";

pub(crate) async fn run() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut told = commands();
    let event = watch::Sender::new(0_u64);
    say(&json!({ "address": listener.local_addr().unwrap() }));
    loop {
        tokio::select! {
            command = told.recv() => match command.as_deref() {
                Some("event") => {
                    event.send_modify(|event| *event += 1);
                    say(&json!({ "event": *event.borrow(), "streams": event.receiver_count() }));
                }
                Some(other) => panic!("{other:?} is no command"),
                None => return,
            },
            accepted = listener.accept() => {
                tokio::spawn(stream(accepted.unwrap().0, event.subscribe()));
            }
        }
    }
}

/// One stream, until its reader goes.
async fn stream(mut connection: TcpStream, mut event: watch::Receiver<u64>) {
    connection.set_nodelay(true).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(connection.read_buf(&mut head).await, Ok(1..)) {
            return;
        }
    }
    drop(head);
    // What is sent from here on is for this stream, too.
    event.mark_unchanged();
    if connection.write_all(HEAD).await.is_err() {
        return;
    }
    let mut rest = [0; 1];
    loop {
        tokio::select! {
            changed = event.changed() => {
                if changed.is_err() {
                    return;
                }
                let data = format!("data: {}\n\n", *event.borrow_and_update());
                let chunk = format!("{:x}\r\n{data}\r\n", data.len());
                if connection.write_all(chunk.as_bytes()).await.is_err() {
                    return;
                }
            }
            // Nobody says anything more here: it is the end.
            _ = connection.read(&mut rest) => return,
        }
    }
}
