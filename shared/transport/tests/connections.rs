//! How a connection begins and ends, whatever carries it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{Pair, over_both, pattern, read, read_all, waits, within};
use gantz_shared::reset::{CloseCode, StreamCode};
use gantz_transport::{Dropped, Lost, StreamLost, WriteError};

fn closed(code: CloseCode, reason: &str) -> Lost {
    Lost::Closed { code: Some(code), reason: reason.to_owned() }
}

over_both! {
    async fn the_agent_opens_the_control_stream(pair: Pair) {
        let (mut send, mut recv) = within(pair.agent.open(Dropped::CONTROL)).await.unwrap();
        send.write(&mut [Bytes::from_static(b"hello")]).await.unwrap();
        let (mut answer, mut heard) = within(pair.relay.accept(Dropped::CONTROL)).await.unwrap();
        assert_eq!(read(&mut heard).await, Ok(Some(Bytes::from_static(b"hello"))));
        answer.write(&mut [Bytes::from_static(b"welcome")]).await.unwrap();
        assert_eq!(read(&mut recv).await, Ok(Some(Bytes::from_static(b"welcome"))));
        assert!(waits(pair.relay.accept(Dropped::CONTROL)).await, "there is only one");
        assert!(waits(pair.agent.open(Dropped::CONTROL)).await, "there is only one");
    }

    async fn the_relay_closes_with_code_and_reason(pair: Pair) {
        let mut stream = pair.stream().await;
        let reading = tokio::spawn(async move { (read(&mut stream.agent.1).await, stream.agent.0) });
        let accepting = tokio::spawn({
            let agent = pair.agent.clone();
            async move { agent.accept(Dropped::UPSTREAM).await.map(|_| ()) }
        });
        assert!(waits(pair.agent.closed()).await);
        let words = "the same agent opened a newer tunnel of this name";
        pair.relay.close(CloseCode::Replaced, words);
        pair.relay.close(CloseCode::Done, "too late");
        let lost = closed(CloseCode::Replaced, words);
        assert_eq!(within(pair.agent.closed()).await, lost);
        assert_eq!(within(accepting).await.unwrap(), Err(lost.clone()));
        let (read_late, mut send) = within(reading).await.unwrap();
        assert_eq!(read_late, Err(StreamLost::Lost(lost.clone())));
        let written = within(send.write(&mut [Bytes::from_static(b"answer")])).await;
        assert_eq!(written, Err(WriteError::Lost(lost)));
        assert_eq!(within(send.stopped()).await, Some(StreamCode::Dropped));
        assert_eq!(within(pair.relay.closed()).await, Lost::Here);
        assert_eq!(within(pair.relay.open(Dropped::CALLER)).await.map(|_| ()), Err(Lost::Here));
        assert_eq!(read(&mut stream.relay.1).await, Err(StreamLost::Lost(Lost::Here)));
    }

    /// Nor does a peer that reads nothing keep it from being heard.
    async fn the_agent_closes_beside_what_is_unread(pair: Pair) {
        let unread = pair.stream().await;
        let mut send = unread.agent.0;
        let writing = tokio::spawn(async move {
            loop {
                if let Err(error) = send.write(&mut [pattern(1 << 20, 1)]).await {
                    return error;
                }
            }
        });
        assert!(waits(pair.relay.closed()).await);
        pair.agent.close(CloseCode::Done, "goodbye");
        assert_eq!(within(writing).await.unwrap(), WriteError::Lost(Lost::Here));
        assert_eq!(within(pair.relay.closed()).await, closed(CloseCode::Done, "goodbye"));
    }

    /// A refusal is said on the control stream before the connection is closed.
    async fn what_has_left_comes_before_the_close(pair: Pair) {
        let (mut send, mut recv) = pair.agent.open(Dropped::CONTROL).await.unwrap();
        send.write(&mut [Bytes::from_static(b"hello")]).await.unwrap();
        let (mut answer, mut heard) = within(pair.relay.accept(Dropped::CONTROL)).await.unwrap();
        assert_eq!(read(&mut heard).await, Ok(Some(Bytes::from_static(b"hello"))));
        let words = pattern(60_000, 2);
        answer.write(&mut [words.clone()]).await.unwrap();
        answer.finish().unwrap();
        assert_eq!(within(answer.stopped()).await, None);
        pair.relay.close(CloseCode::Refused, "refused");
        assert_eq!(within(pair.agent.closed()).await, closed(CloseCode::Refused, "refused"));
        assert_eq!(read_all(&mut recv).await, (words, Ok(())));
    }

    async fn the_last_clone_closes(pair: Pair) {
        let Pair { relay, agent, .. } = pair;
        let clone = agent.clone();
        drop(agent);
        assert!(waits(relay.closed()).await);
        drop(clone);
        assert_eq!(within(relay.closed()).await, closed(CloseCode::Done, ""));
    }
}
