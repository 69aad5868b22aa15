//! Answers that their callers do not read: the relay's memory is for all tunnels, and who has most of it gives some back.

use gantz_relay::Relay;
use gantz_tests::{relay, within};
use gantz_transport::WriteError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::raw_agent::{RawAgent, data, head, open, wanting};

/// Answers that may be unread.
const UNREAD: usize = 3;

/// `DATA` frames of an answer, of 64 KiB each: more than lies on the way to a caller.
const PIECES: usize = 96;

/// A caller that has asked, and does not read.
async fn call(relay: &Relay, agent: &RawAgent) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut caller = socket.connect(relay.edge_addr()).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", agent.host());
    caller.write_all(request.as_bytes()).await.unwrap();
    caller
}

/// Sends the whole of a long answer, if it may.
async fn answer(agent: &RawAgent) -> JoinHandle<Result<(), WriteError>> {
    let mut request = agent.request().await;
    tokio::spawn(async move {
        let piece = data(&"x".repeat(64 << 10));
        request.say(head(200, &[])).await;
        for _ in 0..PIECES {
            request.send.write(&mut [piece.clone()]).await?;
        }
        let mut end = bytes::BytesMut::new();
        gantz_shared::wire::end(&mut end);
        request.send.write(&mut [end.freeze()]).await?;
        request.send.finish()
    })
}

#[tokio::test]
async fn the_tunnel_with_the_most_of_them_loses_its_oldest() {
    let relay = relay().plain().relay_config(|config| config.limits.unread = UNREAD).start_relay();
    let modest = open(&relay, wanting("modest")).await.unwrap();
    let greedy = open(&relay, wanting("greedy")).await.unwrap();
    let mut modest_caller = call(&relay, &modest).await;
    let modest_answer = answer(&modest).await;
    let (mut callers, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..UNREAD {
        callers.push(call(&relay, &greedy).await);
        answers.push(answer(&greedy).await);
    }

    // One has to go, and it is one of the tunnel that has more of them.
    let (lost, at, left) = within("one to be given up", futures_util::future::select_all(answers)).await;
    lost.unwrap().expect_err("it was given up");
    let mut lost = callers.remove(at);
    let mut got = Vec::new();
    let ended = within("the end of its caller", lost.read_to_end(&mut got)).await;
    assert!(ended.is_err() || !got.ends_with(b"\r\n0\r\n\r\n"), "a cut answer has no end");

    // The others get all of theirs as soon as they are read.
    callers.push(std::mem::replace(&mut modest_caller, lost));
    for mut caller in callers {
        let mut got = Vec::new();
        within("the whole answer", caller.read_to_end(&mut got)).await.unwrap();
        assert!(got.ends_with(b"\r\n0\r\n\r\n"), "{} bytes", got.len());
    }
    for answer in left.into_iter().chain([modest_answer]) {
        answer.await.unwrap().unwrap();
    }
}
