//! Peers on QUIC that no agent of ours would be: one that does not read, and one that speaks another protocol.

use std::sync::Arc;

use bytes::BytesMut;
use gantz_relay::Relay;
use gantz_shared::control::{self, FromAgent};
use gantz_shared::limits::ALPN;
use gantz_shared::reset::CloseCode;
use gantz_tests::{DOMAIN, client, relay, within};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, TransportConfig, VarInt};

use super::raw_agent::{open, wanting};

async fn dial(relay: &Relay, alpn: &[u8], window: u32) -> Result<(Endpoint, Connection), ConnectionError> {
    let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let crypto = QuicClientConfig::try_from(client::tls(relay, &[alpn])).unwrap();
    let mut config = ClientConfig::new(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(window));
    config.transport_config(Arc::new(transport));
    let connecting = endpoint.connect_with(config, relay.agent_addr(), DOMAIN).unwrap();
    let connection = within("a handshake", connecting).await?;
    Ok((endpoint, connection))
}

#[tokio::test]
async fn an_agent_that_does_not_read_its_welcome_keeps_no_name() {
    let relay = relay().start_relay();
    // It grants the relay not one byte, so that `welcome` cannot be written.
    let (_endpoint, connection) = dial(&relay, ALPN, 0).await.unwrap();
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let mut message = BytesMut::new();
    control::encode(&FromAgent::Hello(wanting("unread")), &mut message).unwrap();
    send.write_all(&message).await.unwrap();
    match within("the relay's close", connection.closed()).await {
        ConnectionError::ApplicationClosed(close) => {
            assert_eq!(CloseCode::from_code(close.error_code.into_inner()), Some(CloseCode::HandshakeTimeout));
        }
        other => panic!("{other}"),
    }
    // The name is not held by a tunnel that never was.
    let agent = open(&relay, wanting("unread")).await.map_err(|refused| refused.message).unwrap();
    assert_eq!(agent.welcome.name.as_str(), "unread");
}

#[tokio::test]
async fn another_protocol_is_turned_away_in_the_handshake() {
    let relay = relay().start_relay();
    for alpn in [&b"gantz/0"[..], b"gantz/2", b"h3"] {
        match dial(&relay, alpn, 1024).await {
            // TLS alert no_application_protocol (RFC 7301 §3.2).
            Err(ConnectionError::ConnectionClosed(close)) => assert_eq!(u64::from(close.error_code), 0x100 + 120),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_agent_cannot_open_a_second_stream_or_send_datagrams() {
    let relay = relay().start_relay();
    let (_endpoint, connection) = dial(&relay, ALPN, 1 << 16).await.unwrap();
    let _control = connection.open_bi().await.unwrap();
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), connection.open_bi()).await.is_err());
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), connection.open_uni()).await.is_err());
    assert_eq!(connection.max_datagram_size(), None);
}
