//! Agents that the attack itself plays, on the product's transport: they say what they want, when they want to.

use std::net::SocketAddr;

use bytes::BytesMut;
use gantz_shared::control::{FromAgent, FromRelay, Hello, Refused, Welcome};
use gantz_shared::reset::CloseCode;
use gantz_shared::wire;
use gantz_tests::{DOMAIN, canary, client, within, world};
use gantz_transport::control::{ControlReceiver, ControlSender, channel};
use gantz_transport::quic::Dialer;
use gantz_transport::{Connection, Dropped, Lost, RecvStream, SendStream};
use http::{HeaderMap, StatusCode};

use crate::target::Target;

/// Where they come from: a port for all of them.
pub(crate) struct RawAgents {
    dialer: Dialer,
    address: SocketAddr,
    pem: String,
}

impl RawAgents {
    pub(crate) fn of(target: &Target) -> Self {
        let address = ([127, 0, 0, 1], target.port).into();
        Self { dialer: Dialer::new(address).unwrap(), address, pem: target.pem.clone() }
    }

    /// A QUIC connection to the relay that has said nothing.
    pub(crate) async fn connect(&self) -> Connection {
        self.dialer.connect(self.address, DOMAIN, client::trusting(&self.pem, &[])).await.expect("a QUIC connection")
    }

    /// Opens a tunnel without a wish.
    pub(crate) async fn open(&self) -> RawAgent {
        claim(self.connect().await, None).await.map_err(|refused| refused.message).unwrap()
    }
}

/// A tunnel whose agent's end is the attack.
pub(crate) struct RawAgent {
    pub(crate) connection: Connection,
    pub(crate) welcome: Welcome,
    _control: (ControlSender, ControlReceiver),
}

/// Asks for a tunnel, of a name if there is one, or gives the relay's refusal.
pub(crate) async fn claim(connection: Connection, name: Option<&str>) -> Result<RawAgent, Refused> {
    let (mut sender, mut receiver) = channel(connection.open(Dropped::CONTROL).await.unwrap());
    let hello = Hello {
        agent: "test".into(),
        access_key: Some(canary::access_key()),
        wanted_name: name.map(str::to_owned),
        resume: None,
        moves: false,
        run: None,
        policy: world::policy(&canary::token()),
    };
    sender.send(&FromAgent::Hello(hello)).await.unwrap();
    match within("the relay's answer", receiver.receive()).await.unwrap() {
        Some(FromRelay::Welcome(welcome)) => Ok(RawAgent { connection, welcome, _control: (sender, receiver) }),
        Some(FromRelay::Refused(refused)) => {
            assert_eq!(closed(&connection).await, Some(CloseCode::Refused));
            Err(refused)
        }
        other => panic!("neither welcome nor refused: {other:?}"),
    }
}

/// Waits until the relay closes `connection`, and says with which code.
pub(crate) async fn closed(connection: &Connection) -> Option<CloseCode> {
    match within("the relay's close", connection.closed()).await {
        Lost::Closed { code, .. } => code,
        other => panic!("not closed by the relay: {other}"),
    }
}

impl RawAgent {
    /// Host of the tunnel.
    pub(crate) fn host(&self) -> String {
        format!("{}.{DOMAIN}", self.welcome.name)
    }

    /// The next request, of which nothing is read.
    pub(crate) async fn request(&self) -> (SendStream, RecvStream) {
        within("a request", self.connection.accept(Dropped::UPSTREAM)).await.unwrap()
    }
}

/// The beginning of an answer: its head, and `body`.
pub(crate) fn answer(body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    wire::response_head(StatusCode::OK, None, &HeaderMap::new(), |_| true, &mut bytes).unwrap();
    bytes.extend_from_slice(&data(body));
    bytes
}

/// A `DATA`.
pub(crate) fn data(body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    wire::data_header(body.len(), &mut bytes);
    bytes.extend_from_slice(body);
    bytes
}
