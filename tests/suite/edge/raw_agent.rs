//! An agent that the test itself plays, on the product's transport: it says what it wants, when it wants to.

use bytes::{Bytes, BytesMut};
use gantz_relay::Relay;
use gantz_shared::control::{FromAgent, FromRelay, Hello, Policy, Refused, Run, Welcome};
use gantz_shared::reset::CloseCode;
use gantz_shared::wire::head::RequestHead;
use gantz_shared::wire::{self, Direction, Event};
use gantz_tests::{DOMAIN, canary, client, within};
use gantz_transport::control::{ControlReceiver, ControlSender, channel};
use gantz_transport::quic::Dialer;
use gantz_transport::{Connection, Dropped, FrameReader, Lost, SendStream};
use http::{HeaderMap, StatusCode};

/// A tunnel whose agent's end is the test.
pub(crate) struct RawAgent {
    pub(crate) connection: Connection,
    pub(crate) sender: ControlSender,
    pub(crate) receiver: ControlReceiver,
    pub(crate) welcome: Welcome,
    _dialer: Dialer,
}

/// A request as it came out of the tunnel.
pub(crate) struct Request {
    pub(crate) head: RequestHead,
    pub(crate) send: SendStream,
    _reader: FrameReader,
}

/// A QUIC connection to the relay that has said nothing.
pub(crate) async fn connect(relay: &Relay) -> (Dialer, Connection) {
    let address = relay.agent_addr();
    let dialer = Dialer::new(address).unwrap();
    let connection = dialer.connect(address, DOMAIN, client::tls(relay, &[])).await.expect("a QUIC connection");
    (dialer, connection)
}

/// A hello without wishes, for an open tunnel.
pub(crate) fn hello() -> Hello {
    Hello {
        agent: "test".into(),
        access_key: Some(canary::access_key()),
        wanted_name: None,
        resume: None,
        moves: false,
        run: Some(Run { id: "this one".to_owned(), opening: 0 }),
        policy: Policy { open: true, ..Policy::default() },
    }
}

/// As [`hello`], with a wish.
pub(crate) fn wanting(name: &str) -> Hello {
    Hello { wanted_name: Some(name.to_owned()), ..hello() }
}

/// Opens a tunnel, or gives the relay's refusal.
pub(crate) async fn open(relay: &Relay, hello: Hello) -> Result<RawAgent, Refused> {
    let (dialer, connection) = connect(relay).await;
    let (mut sender, mut receiver) = channel(connection.open(Dropped::CONTROL).await.unwrap());
    sender.send(&FromAgent::Hello(hello)).await.unwrap();
    match within("welcome", receiver.receive()).await.unwrap() {
        Some(FromRelay::Welcome(welcome)) => Ok(RawAgent { connection, sender, receiver, welcome, _dialer: dialer }),
        Some(FromRelay::Refused(refused)) => {
            let (code, _) = closed(&connection).await;
            assert_eq!(code, Some(CloseCode::Refused));
            Err(refused)
        }
        other => panic!("neither welcome nor refused: {other:?}"),
    }
}

/// Waits until the relay closes `connection`.
pub(crate) async fn closed(connection: &Connection) -> (Option<CloseCode>, String) {
    match within("the relay's close", connection.closed()).await {
        Lost::Closed { code, reason } => (code, reason),
        other => panic!("not closed by the relay: {other}"),
    }
}

impl RawAgent {
    /// Host of the tunnel.
    pub(crate) fn host(&self) -> String {
        format!("{}.{DOMAIN}", self.welcome.name)
    }

    /// The next request.
    pub(crate) async fn request(&self) -> Request {
        let accepted = within("a request stream", self.connection.accept(Dropped::UPSTREAM)).await.unwrap();
        let (send, recv) = accepted;
        let mut reader = FrameReader::new(recv, Direction::Request);
        let Some(Event::Head(payload)) = within("the head", reader.event()).await.unwrap() else {
            panic!("no head first")
        };
        Request { head: RequestHead::decode(payload).unwrap(), send, _reader: reader }
    }
}

impl Request {
    /// Says exactly these bytes.
    pub(crate) async fn say(&mut self, bytes: impl Into<Bytes>) {
        self.send.write(&mut [bytes.into()]).await.unwrap();
    }

    /// Answers properly.
    pub(crate) async fn answer(mut self, body: &str) {
        let mut bytes = BytesMut::from(&head(200, &[])[..]);
        bytes.extend_from_slice(&data(body));
        wire::end(&mut bytes);
        self.say(bytes).await;
        self.send.finish().unwrap();
    }
}

/// An answer's `HEAD`.
pub(crate) fn head(status: u16, fields: &[(&'static str, &'static str)]) -> Bytes {
    let fields: HeaderMap =
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let mut bytes = BytesMut::new();
    wire::response_head(StatusCode::from_u16(status).unwrap(), None, &fields, |_| true, &mut bytes).unwrap();
    bytes.freeze()
}

/// A `DATA`.
pub(crate) fn data(body: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    wire::data_header(body.len(), &mut bytes);
    bytes.extend_from_slice(body.as_bytes());
    bytes.freeze()
}
