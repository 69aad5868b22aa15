//! A call on which nothing is said for 20 s, longer than the edge's keep-alive waits: every server over every transport
//! that it has, with every client, all at once, because all of them do nothing but wait.

use futures_util::future::join_all;

use crate::clients::LONG_CALL_SECONDS;
use crate::compare::the_same_both_ways;
use crate::every_scenario::all;
use crate::gantz::Gantz;
use crate::servers::{self, Transport};

#[tokio::test]
async fn a_silent_call_of_20_seconds_returns() {
    let mut gantz = Gantz::start().await;
    let mut calls = Vec::new();
    for server in [
        servers::python(Transport::Http).await,
        servers::python(Transport::Sse).await,
        servers::reference(Transport::Http).await,
        servers::reference(Transport::Sse).await,
        servers::rmcp().await,
    ] {
        let tunnel = gantz.run(server.port).await;
        calls.push(async move {
            let results = the_same_both_ways(&server, &tunnel, &all(&server), &["long_call"]).await;
            for (client, results) in results {
                let text = results["long_call"]["content"][0]["text"].as_str().unwrap_or_default();
                assert!(text.contains(&LONG_CALL_SECONDS.to_string()), "{client:?}, {}: {results}", server.url);
            }
        });
    }
    join_all(calls).await;
    gantz.finish().await;
}
