//! Agents' handshakes that are begun and left half open, from many sockets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gantz_shared::limits::ALPN;
use gantz_tests::{DOMAIN, client, within};
use quinn::crypto::rustls::QuicClientConfig;
use tokio::net::UdpSocket;

use crate::target::Target;

/// Handshakes at once that need no proof of their address.
const UNPROVEN: usize = 64;
const MANY: usize = 200;

/// The first packet of each of `number` agents, caught where nobody answers.
async fn first_packets(pem: &str, number: usize) -> Vec<Vec<u8>> {
    let hole = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let crypto = QuicClientConfig::try_from(client::trusting(pem, &[ALPN])).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let mut caught = HashMap::new();
    let mut packet = vec![0; 2048];
    for agents in 1..=number {
        let _connecting = endpoint.connect_with(config.clone(), hole.local_addr().unwrap(), DOMAIN).unwrap();
        while caught.len() < agents {
            let (length, _) = within("a first packet", hole.recv_from(&mut packet)).await.unwrap();
            // A ClientHello may need two: of each connection, by its id (RFC 8999 §5.1), the first one.
            let id = packet[6..6 + usize::from(packet[5])].to_vec();
            caught.entry(id).or_insert_with(|| packet[..length].to_vec());
        }
    }
    caught.into_values().collect()
}

/// Of a flood: first packets in all, how many of them are different, and of how many sockets.
const FLOOD: usize = 20_000;
const DIFFERENT: usize = 1_000;
const SOCKETS: usize = 500;
/// So many at a time, and so long between: 4,000 a second, which asks for more of the relay than its callers do.
const BURST: usize = 40;
const PAUSE: Duration = Duration::from_millis(10);
/// By how much the relay may grow of it, bytes.
const GROWTH: u64 = 64 << 20;

/// Says `packets` over and over, and gives how many proofs were asked for.
fn flood(port: u16, packets: &[Vec<u8>]) -> usize {
    let sockets: Vec<_> = (0..SOCKETS)
        .map(|_| {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(("127.0.0.1", port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let mut asked = 0;
    let mut answer = [0; 2048];
    for number in 0..FLOOD {
        // Each packet comes from other sockets each time.
        let socket = &sockets[(number + number / SOCKETS) % SOCKETS];
        // A queue that is full loses packets, as on any network.
        let _ = socket.send(&packets[number % packets.len()]);
        while let Ok(length) = socket.recv(&mut answer) {
            asked += usize::from(length > 0 && is_retry(answer[0]));
        }
        if number % BURST == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    asked
}

/// Of a packet's first byte (RFC 9000 §17.2.5).
fn is_retry(first: u8) -> bool {
    first & 0xf0 == 0xf0
}

/// Says `packet` from a socket of its own, which stays: whether a proof of the address is asked for.
async fn knock(target: &Target, packet: &[u8], sockets: &mut Vec<UdpSocket>) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(("127.0.0.1", target.port)).await.unwrap();
    socket.send(packet).await.unwrap();
    let mut answer = [0; 2048];
    within("the relay's answer", socket.recv(&mut answer)).await.unwrap();
    sockets.push(socket);
    is_retry(answer[0])
}

#[tokio::test]
async fn half_open_handshakes_make_the_relay_ask_for_proofs_and_agents_get_in_all_the_while() {
    let target = Target::start().await;
    let packets = first_packets(&target.pem, MANY).await;
    let before = target.size("VmRSS");
    let mut sockets = Vec::new();
    let (unproven, rest) = packets.split_at(UNPROVEN);
    for packet in unproven {
        assert!(!knock(&target, packet, &mut sockets).await, "nothing is asked of the first");
    }
    for packet in rest {
        assert!(knock(&target, packet, &mut sockets).await, "all others have to prove their address");
    }
    eprintln!(
        "half open: {MANY} from as many sockets, {} KiB before, {} KiB now",
        before >> 10,
        target.size("VmRSS") >> 10
    );
    let agent = within("a real agent's tunnel", target.open()).await.expect("it gets in");
    target.caller(&format!("{}.{DOMAIN}", agent.welcome().name)).call().await;
    target.caller(&target.host).call().await;

    // They are given up at their deadline, and what comes then is not asked any more.
    let given_up = async {
        for packet in first_packets(&target.pem, 100).await {
            if !knock(&target, &packet, &mut sockets).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("a proof is asked for still");
    };
    within("the end of half-open handshakes", given_up).await;
}

#[tokio::test]
async fn a_flood_of_first_packets_costs_little_and_everybody_else_goes_on() {
    let target = Target::start().await;
    let packets = first_packets(&target.pem, DIFFERENT).await;
    let before = target.size("VmRSS");
    let port = target.port;
    let work = async |_: &_| {
        let flood = tokio::task::spawn_blocking(move || flood(port, &packets));
        let mut agents = 0;
        while !flood.is_finished() {
            let agent = within("a real agent's tunnel", target.open()).await.expect("it gets in");
            target.caller(&format!("{}.{DOMAIN}", agent.welcome().name)).call().await;
            target.caller(&target.host).call().await;
            agents += 1;
            within("the agent's goodbye", agent.shutdown()).await;
        }
        (flood.await.unwrap(), agents)
    };
    let (asked, agents) = target.beside("first packets of agents", &target.other, work).await;
    let peak = target.size("VmHWM");
    eprintln!(
        "first packets: {FLOOD} said, {asked} proofs asked for, {agents} agents came meanwhile, {} KiB before, {} KiB at most",
        before >> 10,
        peak >> 10
    );
    assert!(asked > FLOOD / 10, "{asked} proofs were asked for");
    assert!(agents > 0);
    assert!(peak < before + GROWTH, "from {before} to {peak} bytes");
}
