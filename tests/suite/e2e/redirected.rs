//! A server that sends `/mcp` to `/mcp/` by an absolute URL, as one inside another application does: with gantz in
//! between, the address in it is none that callers can go to.

use crate::compare::the_same_both_ways;
use crate::every_scenario::{BASICS, all};
use crate::gantz::Gantz;
use crate::servers;

#[tokio::test]
async fn the_endpoint_behind_a_redirect_is_the_one_that_is_printed() {
    let mut gantz = Gantz::start().await;
    let server = servers::mounted().await;
    let tunnel = gantz.run(server.port).await;
    assert!(tunnel.url.ends_with("/mcp/"), "{}", tunnel.url);
    the_same_both_ways(&server, &tunnel, &all(&server), &BASICS).await;
    gantz.finish().await;
}

#[tokio::test]
async fn clients_that_go_after_it_themselves_stay_in_the_tunnel() {
    let mut gantz = Gantz::start().await;
    let server = servers::mounted().await;
    let tunnel = gantz.run_with(&[&server.url]).await;
    assert!(tunnel.url.ends_with("/mcp"), "{}", tunnel.url);
    the_same_both_ways(&server, &tunnel, &all(&server), &BASICS).await;
    gantz.finish().await;
}
