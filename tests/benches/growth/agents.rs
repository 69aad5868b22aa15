//! A process of agents: any number of agents as library, each with a tunnel, a policy and a socket of its own, on one
//! thread. Told a number, it opens tunnels until there are as many.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use futures_util::StreamExt;
use gantz_agent::config::Transports;
use gantz_agent::{Agent, Config, Event, RelayAddress, Trust};
use gantz_tests::{canary, world};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use crate::role::{commands, say};

/// Handshakes at once: fewer than the relay takes of one address.
const AT_ONCE: usize = 16;

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    #[arg(long)]
    relay: SocketAddr,
    #[arg(long)]
    ca: PathBuf,
    /// The local server
    #[arg(long)]
    origin: SocketAddr,
    /// Has tunnels go over TCP instead of QUIC
    #[arg(long)]
    tcp: bool,
}

pub(crate) async fn run(args: &AgentArgs) {
    let address = RelayAddress { host: args.relay.ip().to_string(), port: args.relay.port() };
    let trust = Trust::Only(vec![CertificateDer::from_pem_file(&args.ca).unwrap()]);
    let target = format!("http://{}", args.origin).parse().unwrap();
    let mut config = Config::new(address, trust, target);
    config.policy = world::policy(&canary::token());
    // Never either: where many handshakes at once take long, both would be tried.
    config.transports = if args.tcp { Transports::Tcp } else { Transports::Quic };
    let lost = Arc::new(AtomicU64::new(0));
    let mut agents: Vec<Agent> = Vec::new();
    let mut told = commands();
    say(&json!({ "ready": true }));
    while let Some(command) = told.recv().await {
        let wanted: usize = command.parse().unwrap();
        let more = (agents.len()..wanted).map(|_| {
            let (config, lost) = (config.clone(), lost.clone());
            async move {
                let observer = move |event: &Event| {
                    if matches!(event, Event::Reconnecting { .. }) {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                };
                Agent::start(config, Arc::new(observer)).await.unwrap()
            }
        });
        let more: Vec<Agent> = futures_util::stream::iter(more).buffer_unordered(AT_ONCE).collect().await;
        agents.extend(more);
        let hosts: Vec<_> = agents.iter().map(|agent| &agent.welcome().url).collect();
        say(&json!({ "open": agents.len(), "lost": lost.load(Ordering::Relaxed), "urls": hosts }));
    }
}
