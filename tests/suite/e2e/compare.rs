//! One client, one server, twice: direct and tunnelled. What it gets has to be the same.

use futures_util::future::join_all;
use serde_json::Value;

use crate::clients::{Client, Route};
use crate::gantz::Tunnel;
use crate::servers::Server;

/// Runs every client both ways, and returns each one's results. Fails with everything that went wrong, not with the
/// first.
pub(crate) async fn the_same_both_ways(
    server: &Server,
    tunnel: &Tunnel,
    clients: &[Client],
    scenarios: &[&str],
) -> Vec<(Client, Value)> {
    let direct = Route::direct(server);
    let tunnelled = Route::tunnelled(tunnel, server.transport);
    let runs = clients.iter().map(|client| both(*client, &direct, &tunnelled, scenarios));
    let (good, bad): (Vec<_>, Vec<_>) = join_all(runs).await.into_iter().partition(Result::is_ok);
    let failures: Vec<String> = bad.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    good.into_iter().filter_map(Result::ok).collect()
}

async fn both(
    client: Client,
    direct: &Route,
    tunnelled: &Route,
    scenarios: &[&str],
) -> Result<(Client, Value), String> {
    let (without, through) = tokio::join!(client.run(direct, scenarios), client.run(tunnelled, scenarios));
    let without = without.map_err(|why| format!("{client:?}, direct: {why}"))?;
    let through = through.map_err(|why| format!("{client:?}, tunnelled: {why}"))?;
    for scenario in scenarios {
        let (without, through) = (&without[scenario], &through[scenario]);
        if without != through {
            return Err(format!("{client:?} differs in {scenario}\n   direct: {without}\ntunnelled: {through}"));
        }
    }
    Ok((client, through))
}
