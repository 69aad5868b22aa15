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

/// Says `packet` from a socket of its own, which stays: whether a proof of the address is asked for (RFC 9000 §17.2.5).
async fn knock(target: &Target, packet: &[u8], sockets: &mut Vec<UdpSocket>) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(("127.0.0.1", target.port)).await.unwrap();
    socket.send(packet).await.unwrap();
    let mut answer = [0; 2048];
    within("the relay's answer", socket.recv(&mut answer)).await.unwrap();
    sockets.push(socket);
    answer[0] & 0xf0 == 0xf0
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
