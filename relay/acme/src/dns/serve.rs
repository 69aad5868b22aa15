//! The sockets of the DNS server.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::places::Places;
use super::rates::{Rates, Verdict};
use super::reply::{Over, come_by_tcp, reply};
use super::values::Values;
use super::zone::Zone;
use crate::limits::{DNS_MAX_QUESTION, DNS_QUESTIONS_PER_CONNECTION, DNS_SOCKET_RETRY, DNS_TCP_LIFE};

/// What the caller has bound, both on one port, for the public 53.
#[derive(Debug)]
pub struct Sockets {
    /// Most questions.
    pub udp: UdpSocket,
    /// Those whose answer was cut, RFC 7766.
    pub tcp: TcpListener,
}

/// The DNS server. See the module's head.
#[derive(Debug)]
pub struct Server {
    zone: Arc<Zone>,
    values: Values,
}

impl Server {
    /// For `zone`, which has no values yet.
    #[must_use]
    pub fn new(zone: Zone) -> Self {
        Self { zone: Arc::new(zone), values: Values::new() }
    }

    /// What it answers with.
    #[must_use]
    pub fn values(&self) -> Values {
        self.values.clone()
    }

    /// Answers; never returns. Dropped, it closes every connection.
    pub async fn serve(self, sockets: Sockets) {
        tokio::join!(self.udp(sockets.udp), self.tcp(sockets.tcp));
    }

    async fn udp(&self, socket: UdpSocket) {
        let mut rates = Rates::new();
        let mut buffer = [0; DNS_MAX_QUESTION];
        loop {
            let (length, from) = match socket.recv_from(&mut buffer).await {
                Ok(question) => question,
                // That of an answer that somebody did not take (ICMP): it says nothing of the next question.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused) => {
                    continue;
                }
                Err(error) => {
                    tracing::debug!(%error, "DNS question not received");
                    tokio::time::sleep(DNS_SOCKET_RETRY).await;
                    continue;
                }
            };
            let question = &buffer[..length];
            let answer = match rates.ask(from.ip()) {
                Verdict::Answer => reply(&self.zone, &self.values, question, Over::Udp),
                Verdict::ComeByTcp => come_by_tcp(question),
                Verdict::Drop => None,
            };
            if let Some(answer) = answer
                && let Err(error) = socket.send_to(&answer, from).await
            {
                tracing::debug!(%error, "DNS answer not sent");
            }
        }
    }

    async fn tcp(&self, listener: TcpListener) {
        let places = Places::default();
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let (stream, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "DNS connection not accepted");
                    tokio::time::sleep(DNS_SOCKET_RETRY).await;
                    continue;
                }
            };
            let Some(place) = places.enter(from.ip()) else { continue };
            let (zone, values) = (self.zone.clone(), self.values.clone());
            connections.spawn(async move {
                // Whoever has not asked when its time is over does not ask.
                if let Ok(Err(error)) = timeout(DNS_TCP_LIFE, converse(stream, &zone, &values)).await {
                    tracing::debug!(%error, "DNS connection lost");
                }
                drop(place);
            });
        }
    }
}

/// Questions with their length before them, RFC 1035 §4.2.2, one after the other.
async fn converse(mut stream: TcpStream, zone: &Zone, values: &Values) -> io::Result<()> {
    for _ in 0..DNS_QUESTIONS_PER_CONNECTION {
        let Some(question) = question(&mut stream).await? else { return Ok(()) };
        let Some(answer) = reply(zone, values, &question, Over::Tcp) else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&answer);
        stream.write_all(&framed).await?;
    }
    Ok(())
}

/// `None` at the connection's end, and for a question that is too long to be one for this server.
async fn question(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > DNS_MAX_QUESTION {
        return Ok(None);
    }
    let mut question = vec![0; length];
    stream.read_exact(&mut question).await?;
    Ok(Some(question))
}
