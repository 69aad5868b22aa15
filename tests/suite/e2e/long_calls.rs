//! A call on which nothing is said for 20 s, longer than the edge's keep-alive waits: with every client and transport.

use crate::clients::{Client, PYTHON_AND_TYPESCRIPT};
use crate::compare::the_same_both_ways;
use crate::gantz::Gantz;
use crate::servers::{self, Transport};

#[tokio::test]
async fn a_silent_call_of_20_seconds_returns() {
    let mut gantz = Gantz::start().await;
    let http = servers::python(Transport::Http).await;
    let sse = servers::python(Transport::Sse).await;
    let http_tunnel = gantz.run(http.port).await;
    let sse_tunnel = gantz.run(sse.port).await;

    let with_rmcp = [&PYTHON_AND_TYPESCRIPT[..], &[Client::Rmcp]].concat();
    tokio::join!(
        the_same_both_ways(&http, &http_tunnel, &with_rmcp, &["long_call"]),
        the_same_both_ways(&sse, &sse_tunnel, &PYTHON_AND_TYPESCRIPT, &["long_call"]),
    );
    gantz.finish().await;
}
