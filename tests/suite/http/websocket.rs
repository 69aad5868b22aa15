//! WebSockets (RFC 6455) through the tunnel, between a client and a server that know nothing of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use gantz_agent::tokens::Spec;
use gantz_tests::{Origin, World, canary, within};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, handshake::client::Response};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::caller::Over;
use crate::script::answering;

const WAYS: [Over; 2] = [Over::Http1, Over::Plain];

/// How long what a dead token has opened may go on.
const BURIAL: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<Box<dyn Io>>;

trait Io: gantz_tests::client::Io + Unpin {}
impl<T: gantz_tests::client::Io + Unpin> Io for T {}

async fn connect(over: Over, world: &World) -> Result<(Socket, Response), Error> {
    connect_with(over, world, &world.token).await
}

async fn connect_with(over: Over, world: &World, token: &str) -> Result<(Socket, Response), Error> {
    let tcp = TcpStream::connect(world.relay.edge_addr()).await.unwrap();
    let io: Box<dyn Io> = if over == Over::Plain {
        Box::new(tcp)
    } else {
        let tls = TlsConnector::from(Arc::new(gantz_tests::client::tls(&world.relay, &[b"http/1.1"])));
        Box::new(tls.connect(ServerName::try_from(world.host.clone()).unwrap(), tcp).await.unwrap())
    };
    let mut request = format!("{}/ws?room=1", world.url.replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    within("the upgrade", client_async(request, io)).await
}

/// Echoes messages and hands on what it got, and `None` when a connection is over; answers `bye` with a close of its
/// own.
fn echo() -> (Origin, mpsc::UnboundedReceiver<Option<Message>>) {
    let (told, heard) = mpsc::unbounded_channel();
    let server = Origin::raw(move |stream| {
        let told = told.clone();
        async move {
            let Ok(mut socket) = accept_async(stream).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                // The test may have seen all it wanted.
                let _ = told.send(Some(message.clone()));
                let said = match &message {
                    Message::Text(text) if text.as_str() == "bye" => {
                        socket.close(Some(CloseFrame { code: CloseCode::Away, reason: "gone".into() })).await
                    }
                    Message::Text(_) | Message::Binary(_) => socket.send(message).await,
                    _ => Ok(()),
                };
                if said.is_err() {
                    break;
                }
            }
            let _ = told.send(None);
        }
    });
    (server, heard)
}

async fn next(socket: &mut Socket) -> Message {
    within("a message", socket.next()).await.expect("the socket is open").unwrap()
}

#[tokio::test]
async fn text_and_a_binary_mebibyte_come_back() {
    for over in WAYS {
        let (server, _heard) = echo();
        let world = over.world(server).await;
        let (mut socket, response) = connect(over, &world).await.unwrap();
        assert_eq!(response.status(), 101);
        for n in 0..20 {
            let said = Message::text(format!("hello {n}"));
            socket.send(said.clone()).await.unwrap();
            assert_eq!(next(&mut socket).await, said, "{over:?}");
        }
        let large: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let said = Message::binary(large);
        socket.send(said.clone()).await.unwrap();
        assert!(next(&mut socket).await == said, "{over:?}");
    }
}

#[tokio::test]
async fn pings_are_answered_from_the_other_end() {
    for over in WAYS {
        let (server, mut heard) = echo();
        let world = over.world(server).await;
        let (mut socket, _) = connect(over, &world).await.unwrap();
        socket.send(Message::Ping("are you there".into())).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::Pong("are you there".into()), "{over:?}");
        assert_eq!(within("the ping", heard.recv()).await.unwrap(), Some(Message::Ping("are you there".into())));
    }
}

#[tokio::test]
async fn a_close_from_the_caller_reaches_the_server() {
    for over in WAYS {
        let (server, mut heard) = echo();
        let world = over.world(server).await;
        let (mut socket, _) = connect(over, &world).await.unwrap();
        let close = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
        socket.close(Some(close.clone())).await.unwrap();
        assert_eq!(within("the close", heard.recv()).await.unwrap(), Some(Message::Close(Some(close.clone()))));
        assert_eq!(next(&mut socket).await, Message::Close(Some(close)), "{over:?}: and its echo comes back");
        assert!(within("the end", socket.next()).await.is_none());
    }
}

#[tokio::test]
async fn a_close_from_the_server_reaches_the_caller() {
    for over in WAYS {
        let (server, _heard) = echo();
        let world = over.world(server).await;
        let (mut socket, _) = connect(over, &world).await.unwrap();
        socket.send(Message::text("bye")).await.unwrap();
        let close = CloseFrame { code: CloseCode::Away, reason: "gone".into() };
        assert_eq!(next(&mut socket).await, Message::Close(Some(close)), "{over:?}");
        assert!(within("the end", socket.next()).await.is_none());
    }
}

#[tokio::test]
async fn a_caller_that_is_gone_is_gone_for_the_server() {
    for over in WAYS {
        let (server, mut heard) = echo();
        let world = over.world(server).await;
        let (mut socket, _) = connect(over, &world).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        next(&mut socket).await;
        drop(socket);
        assert_eq!(within("the message", heard.recv()).await.unwrap(), Some(Message::text("hello")));
        assert_eq!(within("the end", heard.recv()).await.unwrap(), None, "{over:?}");
    }
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_ordinary_answer() {
    for over in WAYS {
        let world =
            over.world(answering("HTTP/1.1 400 Bad Request\r\nX-Why: no\r\nContent-Length: 3\r\n\r\nwhy")).await;
        let Err(Error::Http(answer)) = connect(over, &world).await else { panic!("{over:?}: not an answer") };
        assert_eq!(answer.status(), 400, "{over:?}: {answer:?}");
        assert_eq!(answer.headers()["x-why"], "no");

        // The caller's connection goes on.
        let mut raw = over.raw(&world).await;
        for _ in 0..2 {
            raw.send(format!(
                "GET / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
                world.host, world.token
            ))
            .await;
            assert!(raw.until("\r\n\r\nwhy").await.starts_with("HTTP/1.1 400 "), "{over:?}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_without_a_token_is_401() {
    for over in WAYS {
        let (server, _heard) = echo();
        let mut world = over.world(server).await;
        world.token = canary::OTHER_TOKEN.into();
        let Err(Error::Http(answer)) = connect(over, &world).await else { panic!("{over:?}: not an answer") };
        assert_eq!(answer.status(), 401, "{over:?}");
    }
}

#[tokio::test]
async fn an_open_socket_ends_with_its_token_and_nobody_elses_does() {
    for over in WAYS {
        let (server, mut heard) = echo();
        let world = over.world(server).await;
        let tokens = world.agent.tokens();
        let made = tokens.add(Spec { label: Some("ci".into()), ..Spec::default() }).unwrap();
        within("the new token", tokens.is_applied(made.generation)).await;
        let token = made.token.unwrap();
        let (mut of_ci, _) = connect_with(over, &world, token.reveal()).await.unwrap();
        let (mut of_others, _) = connect(over, &world).await.unwrap();
        for socket in [&mut of_ci, &mut of_others] {
            socket.send(Message::text("hello")).await.unwrap();
            assert_eq!(next(socket).await, Message::text("hello"), "{over:?}");
            within("the message", heard.recv()).await.unwrap();
        }

        tokens.revoke("ci").unwrap();
        let since = Instant::now();
        let ended = within("the end", of_ci.next()).await;
        assert!(!matches!(ended, Some(Ok(_))), "{over:?}: nobody has closed, it broke off: {ended:?}");
        assert!(since.elapsed() < BURIAL, "{over:?}: {:?}", since.elapsed());
        assert_eq!(within("the server's end of it", heard.recv()).await.unwrap(), None, "{over:?}");

        of_others.send(Message::text("still here")).await.unwrap();
        assert_eq!(next(&mut of_others).await, Message::text("still here"), "{over:?}");
        let Err(Error::Http(answer)) = connect_with(over, &world, token.reveal()).await else { panic!("{over:?}") };
        assert_eq!(answer.status(), 401, "{over:?}");
    }
}

#[tokio::test]
async fn an_open_socket_ends_with_the_agent() {
    for over in WAYS {
        let (server, mut heard) = echo();
        let world = over.world(server).await;
        let (mut socket, _) = connect(over, &world).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        next(&mut socket).await;
        within("the message", heard.recv()).await.unwrap();
        // It goes without a word: no time for goodbyes.
        let World { relay: _relay, agent, server: _server, .. } = world;
        drop(agent);
        let ended = within("the end", socket.next()).await;
        assert!(!matches!(ended, Some(Ok(Message::Close(_)))), "{over:?}: nobody has closed, it broke off: {ended:?}");
    }
}

#[tokio::test]
async fn an_open_socket_ends_with_the_server() {
    for over in WAYS {
        let (server, _heard) = echo();
        let mut world = over.world(server).await;
        let (mut socket, _) = connect(over, &world).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        next(&mut socket).await;
        world.server.kill().await;
        let ended = within("the end", socket.next()).await;
        assert!(!matches!(ended, Some(Ok(_))), "{over:?}: {ended:?}");
    }
}
