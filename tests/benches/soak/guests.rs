//! Agents that come and go: one with a name of its own that comes back to it, others that come once under a name of the
//! relay's choice. They leave by a signal, with a goodbye, or are killed.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::origin;
use crate::process::Process;
use crate::tally::Tally;
use crate::world::{Tunnel, World};

/// The one that comes back.
const NAME: &str = "guest";

/// Calls while it is there.
const CALLS: u64 = 5;

/// Nothing that is asked takes so long: an agent that was killed counts as lost after 30 s of silence.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn come_and_go(world: Arc<World>, tally: Arc<Tally>, stop: CancellationToken) {
    let lasting = tempfile::tempdir().unwrap();
    for visit in 0_u64.. {
        let own = tempfile::tempdir().unwrap();
        let (home, name) = if visit.is_multiple_of(2) { (lasting.path(), Some(NAME)) } else { (own.path(), None) };
        let (agent, tunnel) = world.guest(home, name).await;
        let client = world.caller(tunnel.url.host().unwrap(), b"http/1.1");
        for id in 0..CALLS {
            let request = get(&client, &tunnel, id);
            tally.answer("guest GET", request, &["200"], Some(&origin::read(id))).await;
            pause(200..1_500).await;
        }
        // Half of them of each sort.
        if (visit / 2).is_multiple_of(2) {
            goodbye(agent).await;
            tally.count("guest said goodbye");
            tally.answer("gone guest GET", get(&client, &tunnel, 0), &["404 tunnel_not_found"], None).await;
        } else {
            drop(agent);
            tally.count("guest killed");
            let expected = ["502 tunnel_lost", "503 agent_offline"];
            tally.answer("killed guest GET", get(&client, &tunnel, 0), &expected, None).await;
        }
        if stop.run_until_cancelled(pause(1_000..4_000)).await.is_none() {
            return;
        }
    }
}

fn get(client: &reqwest::Client, tunnel: &Tunnel, id: u64) -> reqwest::RequestBuilder {
    client.get(format!("{}read/{id}", tunnel.url)).bearer_auth(&tunnel.token).timeout(PATIENCE)
}

async fn goodbye(agent: Process) {
    let sent = Command::new("kill").arg("-TERM").arg(agent.pid().to_string()).status().await.unwrap();
    assert!(sent.success());
    agent.succeed().await;
}

async fn pause(millis: std::ops::Range<u64>) {
    let millis = rand::rng().random_range(millis);
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
