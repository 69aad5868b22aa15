//! What a stream promises, whatever carries it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{Pair, Stream, over_both, pattern, read, read_all, waits, within};
use gantz_shared::limits::{CONNECTION_WINDOW, MAX_REQUEST_STREAMS, STREAM_WINDOW};
use gantz_shared::reset::StreamCode;
use gantz_transport::{Dropped, SendStream, StreamLost, WriteError};

const MIB: usize = 1 << 20;

/// Writes `bytes` in pieces as a body has them, and ends the stream.
async fn write_all(send: &mut SendStream, mut bytes: Bytes) {
    while !bytes.is_empty() {
        let part = bytes.split_to(bytes.len().min(100_000));
        within(send.write(&mut [Bytes::from_static(b""), part])).await.unwrap();
    }
    send.finish().unwrap();
}

over_both! {
    /// What one side of a stream does not read stops neither that stream's other direction nor another stream.
    async fn much_goes_both_ways_beside_a_slow_reader(pair: Pair) {
        let slow = pair.stream().await;
        let (mut slow_send, mut slow_recv) = (slow.relay.0, slow.agent.1);
        let unread = pattern(6 * MIB, 1);
        let (sent, mut answers) = (unread.clone(), (slow.agent.0, slow.relay.1));
        let writing = tokio::spawn(async move {
            write_all(&mut slow_send, sent).await;
            slow_send
        });
        let Stream { relay: (mut up, mut down_end), agent: (mut down, mut up_end) } = pair.stream().await;
        let (request, answer) = (pattern(32 * MIB, 2), pattern(24 * MIB, 3));
        let (uploaded, downloaded, (), ()) = tokio::join!(
            read_all(&mut up_end),
            read_all(&mut down_end),
            write_all(&mut up, request.clone()),
            write_all(&mut down, answer.clone()),
        );
        assert!(uploaded == (request, Ok(())), "what the agent gets");
        assert!(downloaded == (answer, Ok(())), "what the relay gets");
        assert!(!writing.is_finished(), "more than a window is under way");
        write_all(&mut answers.0, Bytes::from_static(b"the other way")).await;
        assert_eq!(read_all(&mut answers.1).await, (Bytes::from_static(b"the other way"), Ok(())));
        assert!(read_all(&mut slow_recv).await == (unread, Ok(())), "what was read late");
        drop(writing.await.unwrap());
    }

    /// As many streams as a tunnel may have, and not many more.
    async fn streams_are_many_and_counted(pair: Pair) {
        let mut streams = Vec::new();
        for _ in 0..MAX_REQUEST_STREAMS {
            streams.push(pair.stream().await);
        }
        while !waits(async { streams.push(pair.stream().await) }).await {
            assert!(streams.len() <= 3 * MAX_REQUEST_STREAMS as usize / 2, "there is no end of them");
        }
        let texts = (0..streams.len()).map(|number| Bytes::from(format!("stream {number}"))).collect::<Vec<_>>();
        for (stream, text) in streams.iter_mut().zip(&texts) {
            stream.relay.0.write(&mut [text.clone()]).await.unwrap();
            stream.relay.0.finish().unwrap();
        }
        for stream in streams.iter_mut().rev() {
            let (text, end) = read_all(&mut stream.agent.1).await;
            assert_eq!(end, Ok(()));
            stream.agent.0.write(&mut [text]).await.unwrap();
            stream.agent.0.finish().unwrap();
        }
        for (stream, text) in streams.iter_mut().zip(&texts) {
            assert_eq!(read_all(&mut stream.relay.1).await, (text.clone(), Ok(())));
        }
        let waiting = pair.relay.open(Dropped::CALLER);
        drop(streams);
        let mut opened = within(waiting).await.unwrap();
        opened.0.write(&mut [Bytes::from_static(b"!")]).await.unwrap();
        // Of the one that was given up there may be a trace.
        loop {
            let mut accepted = within(pair.agent.accept(Dropped::UPSTREAM)).await.unwrap();
            match read(&mut accepted.1).await {
                Ok(Some(_)) => break,
                other => assert!(matches!(other, Err(StreamLost::Reset(_))), "{other:?}"),
            }
        }
    }

    /// Whoever has all the streams that a tunnel may have gets another for each that is over, however few that are.
    async fn each_that_is_over_makes_room(pair: Pair) {
        let mut streams = std::collections::VecDeque::new();
        for _ in 0..MAX_REQUEST_STREAMS {
            streams.push_back(pair.stream().await);
        }
        for few in [1, 10, 100, 500, 60] {
            for mut stream in streams.drain(..few) {
                stream.relay.0.finish().unwrap();
                assert_eq!(read_all(&mut stream.agent.1).await, (Bytes::new(), Ok(())));
                stream.agent.0.finish().unwrap();
                assert_eq!(read_all(&mut stream.relay.1).await, (Bytes::new(), Ok(())));
            }
            for _ in 0..few {
                streams.push_back(within(pair.stream()).await);
            }
        }
    }

    /// A thousand requests at once, each answered.
    async fn a_thousand_at_once(pair: Pair) {
        let agent = pair.agent.clone();
        let serving = tokio::spawn(async move {
            while let Ok((mut send, mut recv)) = agent.accept(Dropped::UPSTREAM).await {
                tokio::spawn(async move {
                    let (text, end) = read_all(&mut recv).await;
                    assert_eq!(end, Ok(()));
                    write_all(&mut send, text).await;
                });
            }
        });
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..1_000 {
            let relay = pair.relay.clone();
            calls.spawn(async move {
                let (mut send, mut recv) = relay.open(Dropped::CALLER).await.unwrap();
                let text = pattern(10_000, number);
                write_all(&mut send, text.clone()).await;
                assert!(read_all(&mut recv).await == (text, Ok(())));
            });
        }
        while let Some(call) = within(calls.join_next()).await {
            call.unwrap();
        }
        serving.abort();
    }

    async fn a_reset_says_why(pair: Pair) {
        let mut stream = pair.stream().await;
        stream.relay.0.reset(StreamCode::BodyAborted);
        assert_eq!(read(&mut stream.agent.1).await, Err(StreamLost::Reset(StreamCode::BodyAborted)));
        assert_eq!(stream.relay.0.write(&mut [Bytes::from_static(b"more")]).await, Err(WriteError::Over));
        assert_eq!(stream.relay.0.finish(), Err(WriteError::Over));
        let mut stream = pair.stream().await;
        stream.agent.0.reset(StreamCode::UpstreamInvalid);
        assert_eq!(read(&mut stream.relay.1).await, Err(StreamLost::Reset(StreamCode::UpstreamInvalid)));
    }

    /// Neither half that is dropped passes for one that has ended.
    async fn what_is_dropped_unfinished_is_reset(pair: Pair) {
        let mut stream = pair.stream().await;
        stream.agent.0.write(&mut [Bytes::from_static(b"half of")]).await.unwrap();
        drop(stream.agent);
        let (_, end) = read_all(&mut stream.relay.1).await;
        assert_eq!(end, Err(StreamLost::Reset(StreamCode::UpstreamLost)));
        let mut stream = pair.stream().await;
        drop(stream.relay);
        assert_eq!(read(&mut stream.agent.1).await, Err(StreamLost::Reset(StreamCode::Cancelled)));
        assert_eq!(within(stream.agent.0.stopped()).await, Some(StreamCode::Cancelled));
    }

    /// More than any buffer on the way holds at once.
    async fn what_is_finished_is_delivered_after_a_drop(pair: Pair) {
        let mut stream = pair.stream().await;
        let answer = pattern(STREAM_WINDOW as usize - 1, 4);
        within(stream.agent.0.write(&mut [answer.clone()])).await.unwrap();
        stream.agent.0.finish().unwrap();
        assert_eq!(stream.agent.0.finish(), Err(WriteError::Over));
        // The request has not ended, and need not.
        drop(stream.agent);
        assert!(read_all(&mut stream.relay.1).await == (answer, Ok(())), "what the relay gets");
    }

    /// A caller that goes away stops the answer, whether the agent writes or waits.
    async fn a_stop_reaches_who_writes_and_who_waits(pair: Pair) {
        let mut stream = pair.stream().await;
        let stopped = tokio::spawn(stream.agent.0.stopped());
        let mut send = stream.agent.0;
        let writing = tokio::spawn(async move {
            loop {
                if let Err(error) = send.write(&mut [pattern(MIB, 5)]).await {
                    return error;
                }
            }
        });
        assert!(matches!(read(&mut stream.relay.1).await, Ok(Some(_))));
        stream.relay.1.stop(StreamCode::Cancelled);
        assert_eq!(within(writing).await.unwrap(), WriteError::Stopped(StreamCode::Cancelled));
        assert_eq!(within(stopped).await.unwrap(), Some(StreamCode::Cancelled));
    }

    /// An agent that needs no more of a body answers all the same, and then at the latest nothing more comes.
    async fn a_body_that_is_not_needed_ends(pair: Pair) {
        let Stream { relay: (mut send, mut recv), agent: (mut answer, body) } = pair.stream().await;
        drop(body);
        let uploading = tokio::spawn(async move {
            loop {
                if let Err(error) = send.write(&mut [pattern(MIB, 6)]).await {
                    return error;
                }
            }
        });
        let text = pattern(8 * MIB, 7);
        let (got, ()) = tokio::join!(read_all(&mut recv), write_all(&mut answer, text.clone()));
        drop(answer);
        assert!(got == (text, Ok(())), "the answer is whole");
        assert_eq!(within(uploading).await.unwrap(), WriteError::Stopped(StreamCode::NotNeeded));
    }

    async fn who_has_all_of_it_wants_no_more(pair: Pair) {
        let mut stream = pair.stream().await;
        assert!(waits(stream.agent.0.stopped()).await);
        write_all(&mut stream.agent.0, Bytes::from_static(b"all")).await;
        assert_eq!(read_all(&mut stream.relay.1).await, (Bytes::from_static(b"all"), Ok(())));
        assert_eq!(within(stream.agent.0.stopped()).await, None);
    }

    /// All streams together get no more than the connection's window, and more when it is widened.
    async fn the_connection_has_a_window(pair: Pair) {
        let mut unread = Vec::new();
        for _ in 0..CONNECTION_WINDOW / STREAM_WINDOW {
            let stream = pair.stream().await;
            let mut send = stream.agent.0;
            let writing = tokio::spawn(async move { while send.write(&mut [pattern(MIB, 8)]).await.is_ok() {} });
            unread.push((writing, stream.relay, stream.agent.1));
        }
        let mut stream = pair.stream().await;
        // What they may write, they have.
        while !waits(stream.agent.0.write(&mut [pattern(MIB / 8, 9)])).await {
            assert!(matches!(read(&mut stream.relay.1).await, Ok(Some(_))));
        }
        pair.relay.set_receive_window(CONNECTION_WINDOW + STREAM_WINDOW);
        let mut stream = pair.stream().await;
        let text = pattern(MIB / 2, 10);
        let (got, ()) = tokio::join!(read_all(&mut stream.relay.1), write_all(&mut stream.agent.0, text.clone()));
        assert!(got == (text, Ok(())), "there is a window again");
        for (writing, ..) in unread {
            writing.abort();
        }
    }
}

/// On one machine, where the first link carries them.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn packets_get_larger_than_ethernets() {
    let pair = Pair::quic().await;
    for round in 0..20 {
        let mut stream = pair.stream().await;
        let (sent, read) =
            tokio::join!(write_all(&mut stream.agent.0, pattern(MIB, round)), read_all(&mut stream.relay.1));
        assert!(((), pattern(MIB, round), Ok(())) == (sent, read.0, read.1));
        let stats = pair.agent.quic_stats().unwrap();
        if stats.bytes_sent > 2_000 * stats.packets_sent {
            return;
        }
    }
    panic!("packets are no larger than Ethernet's: {:?}", pair.agent.quic_stats());
}
